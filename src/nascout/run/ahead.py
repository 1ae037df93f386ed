"""Scoring what a search is sure to ask for, several architectures at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from torch import Tensor

from nascout.errors import GraphError
from nascout.graph import graph_cost
from nascout.records import Score
from nascout.run.plan import Plan
from nascout.score.at_once import scores_at_once
from nascout.space import Architecture

__all__ = ["Ahead"]

CHUNK: Final = 16


class Ahead:
    """The scores of the architectures that the plan's strategy foresees.

    The last digits of a value depend on what it was computed together with. So what is scored
    together follows from the plan alone: a search that was stopped and goes on scores the same
    architectures together, and ends like one that was not stopped.

    Args:
        plan: its strategy, space, scores, seed and constraints.
        x, y: the batch that is scored on.
    """

    def __init__(self, plan: Plan, x: Tensor, y: Tensor) -> None:
        self.plan, self.x, self.y = plan, x, y
        self._coming = plan.strategy.foreseen(plan.space, plan.seed)
        self._order: list[Architecture] = []
        self._places: dict[Architecture, int] = {}
        self._scored: dict[Architecture, dict[str, Score]] = {}

    def scores(self, architecture: Architecture) -> dict[str, Score]:
        """Those of its scores that have a faster way; none if it was not foreseen."""
        if architecture not in self._scored:
            start = self._place(architecture) // CHUNK * CHUNK
            self._look_ahead(start + CHUNK)
            self._scored = self._together(self._order[start : start + CHUNK])
        return dict(self._scored.get(architecture, {}))

    def _place(self, architecture: Architecture) -> int:
        """Where it was foreseen; past the end if it was not."""
        while architecture not in self._places and self._look_ahead(len(self._order) + 1):
            pass
        return self._places.get(architecture, len(self._order) + CHUNK)

    def _look_ahead(self, length: int) -> bool:
        """Foresee so many; False if there are not so many."""
        while len(self._order) < length:
            found = next(self._coming, None)
            if found is None:
                return False
            self._places[found] = len(self._order)
            self._order.append(found)
        return True

    def _together(self, chunk: list[Architecture]) -> dict[Architecture, dict[str, Score]]:
        # Architectures keep their graphs, which should not outlive this: copies.
        wanted = [one for one in map(replace, chunk) if self._may_be_scored(one)]
        scored: dict[Architecture, dict[str, Score]] = {one: {} for one in wanted}
        for card in self.plan.cards:
            found = scores_at_once(card, wanted, self.x, self.y, seeds=(self.plan.seed,))
            try:
                for one, score in zip(wanted, found, strict=False):  # it may end before they do
                    if score is not None:
                        scored[one][card.name] = score
            except Exception:  # noqa: BLE001 - whose fault it is shows when each is scored alone
                continue
        return scored

    def _may_be_scored(self, architecture: Architecture) -> bool:
        """Whether it can be built, within the constraints that cost nothing to check."""
        try:
            values = graph_cost(architecture.graph()).as_dict()
        except GraphError:
            return False
        return all(c.holds(values) for c in self.plan.constraints if c.metric in values)
