"""One run of a comparison: a strategy, a data set, a seed; and what it leads to in the tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from nascout.comparison.arena import Arena
from nascout.comparison.contender import Contender
from nascout.comparison.course import Change, Clock, Spent, leads, leads_by
from nascout.errors import ConfigError
from nascout.records import Outcome
from nascout.search.history import Proposal, Trial
from nascout.search.random_search import RandomSearch
from nascout.search.sequential import Sequential
from nascout.search.simulate import simulate

__all__ = ["ORACLE", "PARAMS", "RANDOM", "Lead", "Result", "random_search", "rehearse", "run"]

#: The baselines. ``params`` and ``oracle`` are picks among the samples of ``random``.
RANDOM, PARAMS, ORACLE = "random", "params", "oracle"


class Result(NamedTuple):
    """What a run had come to when a budget was spent; a row of ``runs.csv``.

    ``fitness`` is what the search saw of the leader: the accuracy it was trained for, or its score.
    The accuracies are those after the final training; ``architecture`` is empty, and they are NaN,
    if nothing succeeded. ``scores`` are counted where the strategy looks at scores.
    """

    strategy: str
    dataset: str
    seed: int
    budget: float
    architecture: str
    fitness: float
    retrained_val_accuracy: float
    test_accuracy: float
    trainings: int
    scores: int
    seconds: float


class Lead(NamedTuple):
    """A change of the leader; a row of ``trajectories.csv``."""

    strategy: str
    dataset: str
    seed: int
    evaluations: int
    seconds: float
    architecture: str
    fitness: float
    retrained_val_accuracy: float
    test_accuracy: float


class _Seen(NamedTuple):
    """The columns that both have."""

    architecture: str
    fitness: float
    retrained_val_accuracy: float
    test_accuracy: float


NOTHING = _Seen("", math.nan, math.nan, math.nan)


def random_search(fitness_epochs: int) -> Contender:
    """The baseline that everything is compared to."""
    return Contender(RANDOM, RandomSearch(epochs=fitness_epochs))


def rehearse(contender: Contender, arena: Arena, seed: int) -> None:
    """Refuse what would fail in the middle of a comparison.

    Raises:
        ConfigError: as :func:`run`; names the strategy.
    """
    strategy, lookup = contender.strategy, arena.lookup(contender)
    try:
        if arena.protocol.unit == "seconds" and contender.trains and not lookup.has_times:
            raise ConfigError(
                f"{arena.benchmark.name} holds no training times",
                "Give epoch_seconds, or a budget in evaluations.",
            )
        if not isinstance(strategy, Sequential):
            run(contender, arena, seed)  # only its proposals say how long it trains
        elif strategy.epochs:
            first = arena.space.parse(arena.benchmark.index[0])
            lookup(Proposal(first, "train", strategy.epochs))
    except ConfigError as error:
        raise ConfigError(f"{contender.label}: {error.problem}", error.remedy) from None


def run(contender: Contender, arena: Arena, seed: int) -> tuple[list[Result], list[Lead]]:
    """Simulate a run and read it at every budget; ``random`` also gives the picks of its samples.

    Raises:
        ConfigError: a score that is not known, or a training that the table does not have.
    """
    protocol = arena.protocol
    history = simulate(
        contender.limited(protocol.evaluations, len(arena)),
        arena.lookup(contender),
        seed=seed,
        seconds=protocol.seconds,
        trainings=protocol.evaluations,
        space=arena.space,
    )
    reading = _Reading(contender, arena, seed, history)
    changes = leads(history, contender.strategy.objectives)
    results, course = reading.of(contender.label, changes)
    if contender.label == RANDOM:
        for label, picked in reading.picks().items():
            more, after = reading.of(label, picked)
            results += more
            course += after
    return results, course


class _Reading:
    """The rows of one history."""

    def __init__(
        self, contender: Contender, arena: Arena, seed: int, history: Sequence[Trial]
    ) -> None:
        self._contender, self._arena, self._seed = contender, arena, seed
        self._history = history
        limited = contender.budget is None or contender.trains
        self._clock = Clock(history, arena.protocol.unit, limited=limited)
        self._lookup = arena.lookup(contender)

    def of(self, label: str, changes: Sequence[Change]) -> tuple[list[Result], list[Lead]]:
        """A row per budget, and one per change of the leader."""
        who = (label, self._arena.dataset, self._seed)
        seen = [self._seen(change.place) for change in changes]
        course = [
            Lead._make((*who, self._clock.evaluations(end), self._clock.spent(end).seconds, *what))
            for end, what in zip((change.place + 1 for change in changes), seen, strict=True)
        ]
        results = []
        for budget in self._arena.protocol.budgets:
            end = self._clock.end(budget)
            led = sum(change.place < end for change in changes)
            what = seen[led - 1] if led else NOTHING
            results.append(Result._make((*who, budget, *what, *self._spent(label, end))))
        return results, course

    def picks(self) -> dict[str, list[Change]]:
        """The leader among the trained by size, and by what it will reach at the end."""
        places = [i for i, trial in enumerate(self._history) if trial.stage == "train"]
        numbers = [self._number(place) for place in places]
        sizes = dict(zip(places, self._arena.sizes(numbers), strict=True))
        worth = dict(zip(places, self._arena.worth[numbers].tolist(), strict=True))
        return {
            PARAMS: leads_by(places, lambda place: -sizes[place]),
            ORACLE: leads_by(places, lambda place: -worth[place]),
        }

    def _spent(self, label: str, end: int) -> Spent:
        spent = self._clock.spent(end)
        if label in (PARAMS, ORACLE):  # the samples without their trainings
            return Spent(0, spent.trainings if label == PARAMS else 0, 0.0)
        return spent if self._contender.needs else spent._replace(scores=0)

    def _seen(self, place: int) -> _Seen:
        trial, number, arena = self._history[place], self._number(place), self._arena
        score = self._contender.strategy.objectives[0].metric
        metric = "val_accuracy" if trial.stage == "train" else score
        fitness = trial.values.get(metric, math.nan) if trial.outcome is Outcome.OK else math.nan
        val, test = float(arena.val[number]), float(arena.test[number])
        return _Seen(arena.benchmark.index[number], fitness, val, test)

    def _number(self, place: int) -> int:
        number = self._lookup.number(self._history[place].architecture)
        if number is None:
            raise AssertionError("what led is in the table")
        return number
