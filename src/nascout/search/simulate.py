"""Running a strategy on a benchmark's table: no training, and a clock that pretends there was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nascout.benchmark import Benchmark
from nascout.errors import ConfigError, DataError
from nascout.records import Constraint, Objective, Outcome
from nascout.search.history import Proposal, Stop, Trial
from nascout.search.pareto import at_stage
from nascout.search.strategy import Strategy, generator
from nascout.space import SPACES, Architecture, Space

__all__ = ["Lookup", "leader", "simulate"]


class Lookup:
    """A benchmark in the place of an evaluator: values, and the seconds they stand for.

    A training is looked up at the proposal's number of epochs, which the benchmark must have. What
    it does not hold is infeasible. Prepare one and use it for many simulations.

    Attributes:
        has_times: whether a training takes time.

    Args:
        benchmark: an open one.
        dataset, split, seed: which accuracy is ``val_accuracy``, see :class:`Benchmark`.
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
        known: Mapping[str, Sequence[float] | np.ndarray] | None = None,
        constraints: Sequence[Constraint] = (),
        epoch_seconds: float | None = None,
        score_seconds: float = 0.0,
    ) -> None:
        self.benchmark, self.constraints = benchmark, tuple(constraints)
        self.has_times = epoch_seconds is not None or "train_seconds" in benchmark.metrics()
        self._dataset, self._split, self._seed = dataset, split, seed
        self._epoch_seconds, self._score_seconds = epoch_seconds, score_seconds
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
        if proposal.stage == "score":
            outcome, values = self._score(proposal.architecture)
            return outcome, values, self._score_seconds
        return self._train(proposal.architecture, proposal.epochs)

    def _score(self, architecture: Architecture) -> tuple[Outcome, dict[str, float]]:
        try:
            number = self.benchmark.number(architecture)
        except DataError:
            return Outcome.INFEASIBLE, {}
        values = self._at(number)
        if self.constraints and not all(one.holds(values) for one in self.constraints):
            return Outcome.INFEASIBLE, values
        if all(map(math.isfinite, values.values())):
            return Outcome.OK, values
        return Outcome.NONFINITE, {k: v for k, v in values.items() if math.isfinite(v)}

    def _train(
        self, architecture: Architecture, epochs: int
    ) -> tuple[Outcome, dict[str, float], float]:
        dataset, seed = self._dataset, self._seed
        accuracy = self.benchmark.query(
            architecture, dataset=dataset, split=self._split, epochs=epochs, seed=seed
        )
        seconds = (self._epoch_seconds or 0.0) * epochs
        if self._epoch_seconds is None and self.has_times:
            seconds = self.benchmark.simulated_time(
                architecture, dataset=dataset, epochs=epochs, seed=seed
            )
        if math.isnan(accuracy):
            return Outcome.NONFINITE, {}, seconds
        known = self._at(self.benchmark.number(architecture)) if self._known else {}
        return Outcome.OK, {**known, "val_accuracy": accuracy}, seconds

    def _at(self, number: int) -> dict[str, float]:
        return {name: column[number] for name, column in self._known.items()}


def simulate(
    strategy: Strategy,
    lookup: Lookup,
    *,
    seed: int = 0,
    seconds: float = math.inf,
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
    while True:
        answer = state.ask(generator(seed, history))
        if isinstance(answer, Stop) or answer.stage == "retrain":
            return history
        outcome, values, spent = lookup(answer)
        seconds -= spent
        if seconds < 0:
            return history
        history.append(Trial(len(history), answer, outcome, values, seconds=spent))
        state.tell(history[-1])


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
