"""Running a strategy on a benchmark's table: no training, and a clock that pretends there was."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nascout.benchmark import Benchmark
from nascout.errors import ConfigError, DataError
from nascout.records import Constraint, Objective, Outcome
from nascout.search.history import Proposal, Stop, Trial
from nascout.search.pareto import at_stage
from nascout.search.strategy import Strategy
from nascout.space import SPACES, Architecture, Space

__all__ = ["Lookup", "leader", "simulate"]


class Lookup:
    """A benchmark in the place of an evaluator: values, and the seconds they stand for.

    A training is looked up at the proposal's number of epochs, which the benchmark must have
    unless it does not tell lengths apart. What it does not hold is infeasible. Prepare one and use
    it for many simulations.

    Attributes:
        has_times: whether a training takes time.

    Args:
        benchmark: an open one.
        dataset, split, seed, metric: which accuracy is ``val_accuracy``, see :class:`Benchmark`.
        known: what is known without training, by metric: scores and costs, one number per
            architecture in the order of the benchmark; not finite means that the score failed.
        constraints: on the costs in ``known``.
        epoch_seconds: of training, where the benchmark holds no times or others are wanted.
        score_seconds: of scoring one architecture.

    Raises:
        ConfigError: ``known`` of another length, a constraint on what is not known, or an accuracy
            that the benchmark does not have, as soon as it is looked up.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        *,
        dataset: str | None = None,
        split: str | None = "val",
        seed: int | str | None = None,
        metric: str | None = None,
        known: Mapping[str, Sequence[float] | np.ndarray] | None = None,
        constraints: Sequence[Constraint] = (),
        epoch_seconds: float | None = None,
        score_seconds: float = 0.0,
    ) -> None:
        self.benchmark, self.constraints = benchmark, tuple(constraints)
        self.has_times = epoch_seconds is not None or "train_seconds" in benchmark.metrics()
        self._asked = {"dataset": dataset, "split": split, "seed": seed, "metric": metric}
        self._epoch_seconds, self._score_seconds = epoch_seconds, score_seconds
        self._trainings: dict[int, tuple[list[float], list[float]]] = {}
        self._numbers: dict[Architecture, int | None] = {}
        self._known = {
            name: np.asarray(values, dtype=float).tolist() for name, values in (known or {}).items()
        }
        for name, values in self._known.items():
            if len(values) != len(benchmark):
                raise ConfigError(
                    f"{len(values)} values of {name!r} for {len(benchmark)} architectures",
                    f"Give one per architecture, in the order of {benchmark.name}.",
                )
        for constraint in self.constraints:
            if constraint.metric not in self._known:
                raise ConfigError(f"nothing is known of {constraint}", "Give its values in known.")

    def __call__(self, proposal: Proposal) -> tuple[Outcome, dict[str, float], float]:
        """The outcome, the values and the simulated seconds of a proposal."""
        number = self.number(proposal.architecture)
        if number is None:
            return Outcome.INFEASIBLE, {}, self._score_seconds
        known = self._known
        values = {name: column[number] for name, column in known.items()} if known else {}
        if proposal.stage == "score":
            return (*self._score(values), self._score_seconds)
        accuracies, seconds = self._training(proposal.epochs)
        accuracy = accuracies[number]
        if math.isnan(accuracy):
            return Outcome.NONFINITE, {}, seconds[number]
        values["val_accuracy"] = accuracy
        return Outcome.OK, values, seconds[number]

    def number(self, architecture: Architecture) -> int | None:
        """The place of an architecture in the benchmark; ``None`` if it does not hold it."""
        try:
            return self._numbers[architecture]
        except KeyError:
            return self._numbers.setdefault(architecture, self._found(architecture))

    def _found(self, architecture: Architecture) -> int | None:
        try:
            return self.benchmark.number(architecture)
        except DataError:
            return None

    def _score(self, values: dict[str, float]) -> tuple[Outcome, dict[str, float]]:
        if self.constraints and not all(one.holds(values) for one in self.constraints):
            return Outcome.INFEASIBLE, values
        if all(map(math.isfinite, values.values())):
            return Outcome.OK, values
        return Outcome.NONFINITE, {k: v for k, v in values.items() if math.isfinite(v)}

    def _training(self, epochs: int) -> tuple[list[float], list[float]]:
        """The accuracy of every architecture after ``epochs``, and the seconds that it took."""
        if epochs not in self._trainings:
            benchmark, asked = self.benchmark, dict(self._asked)
            apart = "epochs" in benchmark.choices(metric=asked["metric"])
            asked["epochs"] = epochs if apart else None
            accuracies = benchmark.values(benchmark.column(**asked))
            seconds = np.full(len(accuracies), (self._epoch_seconds or 0.0) * epochs)
            if self._epoch_seconds is None and self.has_times:
                asked |= {"metric": "train_seconds", "split": None}
                seconds = benchmark.values(benchmark.column(**asked))
            self._trainings[epochs] = accuracies.tolist(), seconds.tolist()
        return self._trainings[epochs]


class _Late(random.Random):
    """:func:`nascout.search.strategy.generator`, seeded when the first number is drawn.

    Seeding takes as long as the rest of a proposal, and every second proposal draws nothing.
    """

    def __init__(self) -> None:
        super().__init__(0)
        self._seed = ""
        self._drawing = {"random": self._first_random, "getrandbits": self._first_bits}

    def at(self, seed: int, number: int) -> random.Random:
        """What ``generator`` gives for a history of ``number`` trials."""
        self._seed = f"{seed}/{number}"
        vars(self).update(self._drawing)  # hides the methods of the same names
        return self

    def getstate(self) -> tuple[Any, ...]:
        self._begin()
        return super().getstate()

    def _begin(self) -> None:
        if "random" in vars(self):
            del self.random, self.getrandbits
            self.seed(self._seed)

    def _first_random(self) -> float:
        self._begin()
        return self.random()

    def _first_bits(self, k: int, /) -> int:
        self._begin()
        return self.getrandbits(k)


def simulate(
    strategy: Strategy,
    lookup: Lookup,
    *,
    seed: int = 0,
    seconds: float = math.inf,
    trainings: float = math.inf,
    space: Space | None = None,
) -> list[Trial]:
    """Search a benchmark until the strategy would retrain its winners, or the time is over.

    What would not be finished in time is not part of the result.

    Args:
        strategy: its budget counts architectures; its proposals are those of a real search with
            the same seed and values.
        lookup: what evaluates.
        seed: of the search.
        seconds: simulated ones, over all trainings and scores.
        trainings: how many at most.
        space: what to search; by default the benchmark's, with its default skeleton.

    Returns:
        The history; ``seconds`` of a trial are simulated.

    Raises:
        ConfigError: ``seconds``, and neither the benchmark nor ``lookup`` says how long a training
            takes; accuracies that the benchmark does not have.

    Example:
        >>> import nascout
        >>> from nascout.search import STRATEGIES
        >>> cells = nascout.benchmark("nasbench201", "cells.parquet")       # doctest: +SKIP
        >>> lookup = Lookup(cells, dataset="cifar10-valid", epoch_seconds=9)  # doctest: +SKIP
        >>> evolution = STRATEGIES["regularised_evolution"](budget=1000, epochs=12)
        >>> history = simulate(evolution, lookup, seconds=12_000)           # doctest: +SKIP
        >>> str(leader(history, evolution.objectives).architecture)         # doctest: +SKIP
    """
    if seconds < math.inf and not lookup.has_times:
        raise ConfigError(
            f"{lookup.benchmark.name} holds no training times",
            "Give the lookup epoch_seconds, or leave seconds out and set the strategy's budget.",
        )
    history: list[Trial] = []
    state = strategy.start(space or SPACES[lookup.benchmark.space]())
    rng = _Late()
    while trainings > 0:
        answer = state.ask(rng.at(seed, len(history)))
        if isinstance(answer, Stop) or answer.stage == "retrain":
            break
        outcome, values, spent = lookup(answer)
        seconds -= spent
        if seconds < 0:
            break
        history.append(Trial(len(history), answer, outcome, values, seconds=spent))
        state.tell(history[-1])
        trainings -= answer.stage == "train"
    return history


def leader(history: Sequence[Trial], objectives: Sequence[Objective]) -> Trial | None:
    """The best so far: of the longest trained by accuracy; of the scored if none was trained.

    Args:
        history: trials that were not retrained.
        objectives: of the strategy; the first one judges scores.

    Returns:
        The first of equals, ``None`` if nothing succeeded.
    """
    good = [trial for trial in history if trial.outcome is Outcome.OK]
    longest = max((trial.proposal.epochs for trial in good), default=0)
    last = [trial for trial in good if trial.proposal.epochs == longest]
    judge = at_stage(objectives, last[0].stage)[0] if last else None
    return min(last, key=lambda trial: judge.loss(trial.values)) if judge else None
