"""The course of a run: which architecture was in the lead, and what had been spent by then."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from nascout.records import Objective, Outcome
from nascout.search.history import Trial
from nascout.search.pareto import at_stage

__all__ = ["Change", "Clock", "Spent", "leads", "leads_by"]


class Change(NamedTuple):
    """A new leader: the place of its trial in the history, and how bad it looked to the search."""

    place: int
    loss: float


class Spent(NamedTuple):
    """What a run had cost at some point."""

    trainings: int
    scores: int
    seconds: float


def leads(history: Sequence[Trial], objectives: Sequence[Objective]) -> list[Change]:
    """Every change of :func:`nascout.search.simulate.leader`, in order.

    The best of the longest trained so far leads; of the scored, as long as nothing was trained and
    the score is known.

    Args:
        history: trials that were not retrained.
        objectives: of the strategy.
    """
    score, trained = objectives[0], at_stage(objectives, "train")[0]
    changes: list[Change] = []
    longest, least = -1, math.inf
    for place, trial in enumerate(history):
        epochs = trial.proposal.epochs
        if epochs < longest or trial.outcome is not Outcome.OK:
            continue
        loss = (trained if epochs else score).loss(trial.values)
        if loss < least or (epochs > longest and loss < math.inf):
            longest, least = epochs, loss
            changes.append(Change(place, loss))
    return changes


def leads_by(places: Iterable[int], loss: Callable[[int], float]) -> list[Change]:
    """Every change of the leader among trials, by the ``loss`` of a place; NaN is the worst.

    >>> leads_by([0, 2, 5], {0: 3.0, 2: 3.0, 5: 1.0}.__getitem__)
    [Change(place=0, loss=3.0), Change(place=5, loss=1.0)]
    """
    changes: list[Change] = []
    for place in places:
        found = loss(place)
        found = math.inf if math.isnan(found) else found
        if not changes or found < changes[-1].loss:
            changes.append(Change(place, found))
    return changes


class Clock:
    """What a history had spent after each of its trials.

    Args:
        history: the trials of a run.
        unit: what budgets are in, ``"evaluations"`` or ``"seconds"``. An evaluation is a training;
            a score in a run without any training.
        limited: whether a budget of evaluations limits scores, too.
    """

    def __init__(self, history: Sequence[Trial], unit: str, *, limited: bool = True) -> None:
        self._trainings = list(accumulate(trial.stage == "train" for trial in history))
        self._seconds = list(accumulate(trial.seconds for trial in history))
        self._by_seconds = unit == "seconds"
        self._trains = bool(history) and self._trainings[-1] > 0
        self._limited = limited

    def end(self, budget: float) -> int:
        """How many trials the budget pays for."""
        if self._by_seconds:
            return bisect_right(self._seconds, budget)
        if not self._trains:
            return min(int(budget), len(self._seconds)) if self._limited else len(self._seconds)
        return min(bisect_left(self._trainings, budget) + 1, len(self._seconds))

    def spent(self, end: int) -> Spent:
        """What the first ``end`` trials cost."""
        if not end:
            return Spent(0, 0, 0.0)
        trainings = int(self._trainings[end - 1])
        return Spent(trainings, end - trainings, self._seconds[end - 1])

    def evaluations(self, end: int) -> int:
        """How many of the first ``end`` trials are evaluations."""
        spent = self.spent(end)
        return spent.trainings if self._trains else spent.scores
