"""What a predictor has learnt of a space, and what it would evaluate next."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from operator import itemgetter
from typing import Any

import numpy as np

from nascout.errors import ConfigError, UnknownName
from nascout.search.acquisition import ACQUISITIONS
from nascout.search.features import Features
from nascout.search.pool import Pool
from nascout.search.predictor import LOSSES, Predict, fit_predictor
from nascout.space import Architecture, Space

__all__ = ["Guide", "GuideKnobs", "align"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
# What it is of; the rows of architectures; mean and spread by row.
Batch = tuple[tuple[int, ...], dict[Architecture, int], tuple[Floats, Floats]]
Fitted = tuple[Features, Predict | None, float]

# The best so far that are mutated, the share of mutants, and attempts to find what is new.
PARENTS, MUTATED, TRIES = 5, 0.5, 20


@dataclass(frozen=True)
class GuideKnobs:
    """How a predictor learns and chooses; see :class:`PredictorGuided`."""

    loss: str = "mse"
    negatives: float = 1.0
    acquisition: str = "thompson"
    members: int = 5

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise UnknownName("loss", self.loss, LOSSES)
        if self.acquisition not in ACQUISITIONS:
            raise UnknownName("acquisition", self.acquisition, sorted(ACQUISITIONS))
        if self.members < 1 or not 0 < self.negatives <= 1:
            raise ConfigError(
                f"members = {self.members}, negatives = {self.negatives}",
                "Give at least one member, and negatives in (0, 1].",
            )


class Guide:
    """Told scores and trainings; predicts from as many of them as :meth:`know` says.

    Args:
        space: what is searched.
        knobs: of the predictor.
    """

    def __init__(self, space: Space, knobs: GuideKnobs) -> None:
        self._space, self._knobs = space, knobs
        self._scores: dict[Architecture, Mapping[str, float]] = {}
        self._evaluated: list[tuple[Architecture, int, float]] = []
        self._known = 0, 0  # how many evaluated and scored the predictor knows
        self._fitted: tuple[tuple[int, int], Fitted] | None = None
        self._batch: Batch | None = None

    def scored(self, architecture: Architecture, values: Mapping[str, float]) -> None:
        """Scores and costs, to be features."""
        self._scores[architecture] = values

    def evaluated(self, architecture: Architecture, epochs: int, loss: float) -> None:
        """The loss after so many epochs; ``inf`` for what failed."""
        self._evaluated.append((architecture, epochs, loss))

    def know(self, evaluated: int | None = None, scored: int | None = None) -> None:
        """Predict from the first so many trainings, and rank scores among the first so many.

        All told so far by default; what is told later does not count until this is called again.
        """
        self._known = (
            len(self._evaluated) if evaluated is None else evaluated,
            len(self._scores) if scored is None else scored,
        )

    def candidates(self, pool: Pool, count: int, rng: random.Random) -> list[Architecture]:
        """New ones: about half of them mutants of the best so far, the others uniform."""
        return list(islice(dict.fromkeys(self._new(pool, count, rng)), count))

    def choose(
        self, among: Sequence[Architecture], epochs: int, rng: random.Random
    ) -> Architecture:
        """The one to evaluate next, for so many epochs; any, if too little is known."""
        if self._fit()[1] is None:
            return rng.choice(among)
        mean, spread = self._predicted(among, epochs)
        draws = np.random.default_rng(rng.getrandbits(64))
        acquire = ACQUISITIONS[self._knobs.acquisition]
        return among[int(np.argmin(acquire(mean, spread, self._fit()[2], draws)))]

    def _predicted(self, among: Sequence[Architecture], epochs: int) -> tuple[Floats, Floats]:
        """Mean and spread of each; of everything scored together, which is once in a batch."""
        if not all(one in self._scores for one in among):
            return self._predict(among, epochs)
        now = (*self._known, len(self._scores), epochs)
        if self._batch is None or self._batch[0] != now:
            rows = {one: row for row, one in enumerate(self._scores)}
            self._batch = now, rows, self._predict(list(rows), epochs)
        _, rows, (mean, spread) = self._batch
        asked = [rows[one] for one in among]
        return mean[asked], spread[asked]

    def _predict(self, among: Sequence[Architecture], epochs: int) -> tuple[Floats, Floats]:
        features, predict, _ = self._fit()
        assert predict is not None
        return predict(features([(one, epochs) for one in among], self._scores))

    def _fit(self) -> Fitted:
        if self._fitted is None or self._fitted[0] != self._known:
            evaluated, scored = self._known
            known, knobs = self._evaluated[:evaluated], self._knobs
            points = [(one, epochs) for one, epochs, _ in known]
            values = list(islice(self._scores.values(), scored))
            features = Features(self._space, values, [epochs for _, epochs in points])
            predict, best = None, 0.0
            if points:
                rows = features(points, self._scores)
                predict = fit_predictor(
                    rows,
                    align(known),
                    seed=evaluated,
                    loss=knobs.loss,
                    negatives=knobs.negatives,
                    members=knobs.members,
                )
                best = float(predict(rows)[0].min()) if predict else 0.0
            self._fitted = self._known, (features, predict, best)
        return self._fitted[1]

    def _new(self, pool: Pool, count: int, rng: random.Random) -> Iterator[Architecture]:
        good = [point for point in self._evaluated if point[2] < math.inf]
        longest = max((epochs for _, epochs, _ in good), default=0)
        last = (point for point in good if point[1] == longest)
        parents = [one for one, _, _ in nsmallest(PARENTS, last, key=itemgetter(2))]
        found = 0
        for _ in range(count * TRIES):
            mutated = parents and rng.random() < MUTATED
            new = (
                self._space.mutate(rng.choice(parents), rng) if mutated else self._space.sample(rng)
            )
            if new not in pool.seen:
                yield new
                found += 1
            if found == count:
                return
        fresh = pool.fresh(rng)
        if fresh is not None:
            yield fresh


def align(evaluated: Iterable[tuple[Architecture, int, float]]) -> Floats:
    """Losses of trainings of several lengths, as if all had been of the longest.

    Each shorter length is shifted by the median difference to the next longer one, over the
    architectures that have both: those that halving let through. Without such, it stays.

    Example:
        >>> from nascout.space import SPACES
        >>> a, b = list(SPACES["nasbench201"]())[:2]
        >>> align([(a, 1, 5.0), (b, 1, 7.0), (a, 3, 2.0)])
        array([2., 4., 2.])
    """
    points = list(evaluated)
    by_length: dict[int, dict[Architecture, float]] = {}
    for one, epochs, loss in points:
        by_length.setdefault(epochs, {})[one] = loss
    shifts: dict[int, float] = {}
    shift, longer = 0.0, dict[Architecture, float]()
    for epochs in sorted(by_length, reverse=True):
        here = by_length[epochs]
        both = [one for one in here if max(here[one], longer.get(one, math.inf)) < math.inf]
        if both:
            shift += float(np.median([longer[one] - here[one] for one in both]))
        shifts[epochs], longer = shift, here
    return np.array([loss + shifts[epochs] for _, epochs, loss in points])
