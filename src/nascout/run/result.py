"""What an evaluation gives back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from nascout.records import Outcome

__all__ = ["Result"]


@dataclass(frozen=True)
class Result:
    """An outcome, the finite metrics measured, and why it is not ``ok`` where it is not.

    Values that are not finite have no place here: they are an outcome.
    """

    outcome: Outcome
    values: Mapping[str, float]
    message: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        bad = [name for name, value in self.values.items() if not math.isfinite(value)]
        if bad:
            raise ValueError(f"{bad[0]} is not finite; make it an outcome")
