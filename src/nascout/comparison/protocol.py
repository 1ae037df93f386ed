"""What every strategy of a comparison is given, and what is reported of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from nascout.errors import ConfigError
from nascout.records import Constraint

__all__ = ["Protocol"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The rules of a comparison.

    Attributes:
        datasets: what the table calls them.
        unit: of the budgets, ``"evaluations"`` or simulated ``"seconds"``.
        budgets: ascending; one simulation of the largest answers for all.
        metric: of the table that is the accuracy.
        fitness_split, fitness_epochs: what the search sees.
        val_split, test_split, final_epochs: what is reported of the architecture it chose.
        table_seed: of the trainings in the table.
        epoch_seconds: simulated, by data set; those without one take the table's times.
        score_seconds: of scoring one architecture.
        constraints: on costs.
    """

    datasets: tuple[str, ...]
    unit: str
    budgets: tuple[float, ...]
    metric: str | None = None
    fitness_split: str = "val"
    fitness_epochs: int | None = None
    val_split: str = "val"
    test_split: str = "test"
    final_epochs: int | None = None
    table_seed: int | str | None = None
    epoch_seconds: Mapping[str, float] = field(default_factory=dict)
    score_seconds: float = 0.0
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        if self.unit not in ("evaluations", "seconds"):
            raise ConfigError(f"a budget in {self.unit!r}", "Give evaluations or seconds.")
        if not self.budgets or not all(0 < one < math.inf for one in self.budgets):
            raise ConfigError(f"{self.unit} = {self.budgets}", "Give numbers above 0.")
        if self.unit == "evaluations" and not all(one == int(one) for one in self.budgets):
            raise ConfigError(f"evaluations = {self.budgets}", "Give whole numbers.")
        times = {**self.epoch_seconds, "a score": self.score_seconds}
        for name, seconds in times.items():
            if not 0 <= seconds < math.inf:
                raise ConfigError(f"{seconds} simulated seconds for {name}", "Give 0 or more.")

    @property
    def evaluations(self) -> float:
        """The most trainings of a run."""
        return max(self.budgets) if self.unit == "evaluations" else math.inf

    @property
    def seconds(self) -> float:
        """The most simulated seconds of a run."""
        return max(self.budgets) if self.unit == "seconds" else math.inf
