"""How selection weights start, shrink and are read: the released versions of Petridish by name."""

from __future__ import annotations

from dataclasses import dataclass

from nascout.errors import ConfigError
from nascout.registry import Registry

__all__ = ["METHODS", "Method"]


@dataclass(frozen=True)
class Method:
    """One version of the method; n is the number of candidates at a place.

    Attributes:
        name: of the method.
        source: who uses it.
        l1: weight of the L1 penalty on selection weights.
        l1_shared: whether ``l1`` is divided by n.
        spread: weights start uniform in plus or minus this; at 1/n each if None.
        signed: whether the largest weights are kept, or the largest in size.
        keep: how many candidates a place keeps at most.
        threshold: weights that are not above it are not kept.

    Raises:
        ConfigError: a value out of its range.
    """

    name: str
    source: str
    l1: float = 1e-3
    l1_shared: bool = False
    spread: float | None = None
    signed: bool = False
    keep: int = 3
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if self.keep < 1 or self.l1 < 0 or (self.spread is not None and self.spread <= 0):
            raise ConfigError(
                f"method {self.name!r} with keep={self.keep}, l1={self.l1}, spread={self.spread}",
                "Keep at least one, with l1 of 0 or more and a spread above 0 (or None).",
            )


METHODS: Registry[Method] = Registry("growth_method")
METHODS.add("petridish", Method("petridish", "arXiv:1905.13360"))
METHODS.add(
    "petridish_code", Method("petridish_code", "microsoft/petridishnn", l1=1e-2, l1_shared=True)
)
METHODS.add(
    "archai",
    Method("archai", "microsoft/archai", spread=0.1, signed=True, threshold=float("-inf")),
)
