"""Local search: look at every neighbour, move to the best, start anew where none is better."""

from __future__ import annotations

import math
import random

from nascout.search.history import Trial
from nascout.search.sequential import Chooser, Sequential
from nascout.search.strategy import strategy
from nascout.space import Architecture, Space

__all__ = ["LocalSearch"]


@strategy("local_search", paper="arXiv:2005.02960")
class LocalSearch(Sequential):
    """Hill climbing over single decisions, from random starts.

    From a random architecture it moves to its best neighbour (:meth:`Space.neighbours`) until none
    is strictly better, then starts at another random one. What was evaluated before is not
    evaluated again, and still counts as a neighbour: in NAS-Bench-201, 4 of the 24 after a move.

    Args:
        budget, objectives, epochs, retrain, final_epochs: see :class:`Sequential`.
        first_improvement: move as soon as a better neighbour is known, in random order, instead of
            looking at all of them.
    """

    first_improvement: bool = False

    def start(self, space: Space) -> Chooser:
        """At no architecture yet."""
        return _Walk(self, space)


class _Walk(Chooser):
    def __init__(self, strategy: LocalSearch, space: Space) -> None:
        super().__init__(strategy, space)
        self._impatient = strategy.first_improvement
        self._here: Architecture | None = None
        self._around: tuple[Architecture, ...] = ()
        self._left: dict[Architecture, None] = {}  # of those around, what is not evaluated yet

    def choose(self, rng: random.Random) -> Architecture | None:
        if self._here is None:
            return self.pool.fresh(rng)
        return rng.choice(list(self._left))

    def learn(self, trial: Trial, loss: float) -> None:
        self._left.pop(trial.architecture, None)
        if self._here is None and loss < math.inf:
            self._move(trial.architecture)
        while self._here is not None and (self._impatient or not self._left):
            best = min(self._around, key=self._loss, default=self._here)
            if self._loss(best) < self._loss(self._here):
                self._move(best)
            elif self._left:
                return
            else:
                self._here = None

    def _loss(self, architecture: Architecture) -> float:
        return self.losses.get(architecture, math.inf)

    def _move(self, architecture: Architecture) -> None:
        self._here = architecture
        self._around = tuple(dict.fromkeys(self.space.neighbours(architecture)))
        self._left = {one: None for one in self._around if one not in self.losses}
