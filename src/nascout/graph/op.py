"""What an operation says of itself, once: attributes, shape rule, parameter shapes, MACs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from math import prod
from typing import Any, ClassVar, TypeVar

from typing_extensions import dataclass_transform

from nascout.graph.shape import Shape
from nascout.registry import Registry

__all__ = ["OPS", "Op", "op"]


class Op:
    """Base of every operation: a frozen record of attributes and three rules.

    ``arity`` is the number of inputs, ``None`` for one or more. ``commutative`` says that the
    order of inputs means nothing, ``keeps_zero`` that zero inputs give zero outputs whatever is
    learned. The rules take the shapes of the inputs; a shape rule raises ``ValueError`` with the
    reason, and the graph adds the node's name. The same operation on the same inputs means the
    same value, unless it learns or costs something: the digest counts it once.
    """

    arity: ClassVar[int | None] = 1
    commutative: ClassVar[bool] = False
    keeps_zero: ClassVar[bool] = False

    def shape(self, *xs: Shape) -> Shape:
        """Shape of the output."""
        raise NotImplementedError

    def weights(self, *xs: Shape) -> dict[str, tuple[int, ...]]:
        """Name and shape of every learned tensor."""
        return {}

    def macs(self, *xs: Shape) -> int:
        """Multiply-adds for one sample."""
        return 0

    def params(self, *xs: Shape) -> int:
        """Number of learned values."""
        return sum(prod(shape) for shape in self.weights(*xs).values())

    @property
    def label(self) -> str:
        """Lower-case name, used as the last component of a node's key."""
        return type(self).__name__.lower()

    def attributes(self) -> dict[str, Any]:
        """The attributes as JSON-able data."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]


OPS: Registry[type[Op]] = Registry(
    "op",
    modules=(
        "nascout.graph.ops",
        "nascout.graph.gates",
        "nascout.graph.cuts",
        "nascout.graph.mixing",
        "nascout.graph.recurrent",
    ),
)

T = TypeVar("T", bound=Op)


@dataclass_transform(frozen_default=True)
def op(cls: type[T]) -> type[T]:
    """Make ``cls`` a frozen record and register it under its class name.

    Raises:
        ValueError: a name registered twice, or an attribute that a node in JSON has for itself.
    """
    record = dataclass(frozen=True)(cls)
    taken = {"op", "key", "inputs"} & {f.name for f in fields(record)}  # type: ignore[arg-type]
    if taken:
        raise ValueError(f"op {record.__name__}: rename the attribute {min(taken)!r}")
    OPS.add(record.__name__, record)
    return record
