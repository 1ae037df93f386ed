"""Architectures that were found elsewhere: scored in order, the first few retrained."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from nascout.errors import ConfigError
from nascout.records import Objective, Outcome
from nascout.search.history import Proposal, Stop, Trial
from nascout.search.strategy import Strategy
from nascout.space import Space

__all__ = ["Listed"]


@dataclass(frozen=True, kw_only=True)
class Listed(Strategy):
    """What weight sharing ends with: a list, the best first.

    Each is scored, which also checks the constraints; the first ``retrain`` that satisfy them and
    do not fail are retrained, whatever their scores.

    Args:
        architectures: in the space's notation.
        objectives: of the report; they do not change the order.
        retrain: architectures retrained.
        final_epochs: of that training.
    """

    name: ClassVar[str] = "listed"
    architectures: tuple[str, ...]
    objectives: tuple[Objective, ...]
    retrain: int = 1
    final_epochs: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.retrain, self.final_epochs) < 1:
            raise ConfigError(
                f"retrain = {self.retrain}, final_epochs = {self.final_epochs}",
                "Retrain at least one architecture for at least one epoch.",
            )

    @property
    def budget(self) -> int:  # type: ignore[override]
        """All of them."""
        return max(1, len(self.architectures))

    def ask(self, space: Space, history: Sequence[Trial], rng: random.Random) -> Proposal | Stop:
        """The first that was not scored; then the first good ones that were not retrained."""
        scored = {t.architecture: t.outcome for t in history if t.stage == "score"}
        wanted = list(dict.fromkeys(map(space.parse, self.architectures)))
        for architecture in wanted:
            if architecture not in scored:
                return Proposal(architecture)
        # A score that is not finite is no reason: nothing here is chosen by it.
        good = [a for a in wanted if scored[a] in (Outcome.OK, Outcome.NONFINITE)]
        if not good:
            return Stop("infeasible")
        retrained = {t.architecture for t in history if t.stage == "retrain"}
        for architecture in good[: self.retrain]:
            if architecture not in retrained:
                return Proposal(architecture, "retrain", self.final_epochs)
        return Stop("done")

    def plan(self) -> Mapping[str, int]:
        """A score each, and the last trainings."""
        return {"score": self.budget, "retrain": min(self.retrain, self.budget)}
