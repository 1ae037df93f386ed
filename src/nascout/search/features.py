"""What a predictor sees of an architecture: its decisions, scores and costs, and the epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from scipy.special import ndtri

from nascout.space import Architecture, Space

__all__ = ["Features"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Point = tuple[Architecture, int]

# Squared distances: between two random architectures by their decisions alone, by their scores
# alone, and between the shortest and the longest training.
DECISIONS, SCORES, EPOCHS = 1.0, 0.6, 0.3


class Features:
    """From architectures and epochs to rows of numbers, such that a distance of 1 is far.

    Decisions are one-hot. A score or a cost enters by its rank among ``scored``, as a quantile of
    the normal distribution, so that neither its unit nor its outliers matter; of those that rank
    alike, such as ``macs`` and ``flops``, one enters. What an architecture lacks is put in the
    middle.

    Path encodings (BANANAS, arXiv:1910.11858) are not offered: on NAS-Bench-201 predictors ranked
    worse with them than with the decisions, see ``docs/model_based.md``.

    Args:
        space: whose decisions are encoded.
        scored: the scores and costs known; only those that all of them have are used.
        lengths: the epochs that occur.

    Example:
        >>> from nascout.space import SPACES
        >>> space = SPACES["nasbench201"]()
        >>> a, b = list(space)[:2]
        >>> features = Features(space, [{"params": 3.0}, {"params": 5.0}], [12, 200])
        >>> features([(a, 12), (b, 200)], {a: {"params": 3.0}}).shape
        (2, 32)
    """

    def __init__(
        self, space: Space, scored: Sequence[Mapping[str, float]], lengths: Sequence[int]
    ) -> None:
        starts = accumulate((len(choice.options) for choice in space.decisions), initial=0)
        self._places = [
            {option: start + place for place, option in enumerate(choice.options)}
            for choice, start in zip(space.decisions, starts, strict=False)
        ]
        distance = sum(2 - 2 / len(choice.options) for choice in space.decisions)
        self._scale = math.sqrt(DECISIONS / max(1.0, distance))
        names = sorted(set(scored[0]).intersection(*scored[1:])) if scored else []
        self._known = _distinct({name: np.array([one[name] for one in scored]) for name in names})
        self._lengths = math.log(max(1, *lengths, 1)), math.log(max(1, min(lengths, default=1)))

    def __call__(
        self, points: Sequence[Point], scores: Mapping[Architecture, Mapping[str, float]]
    ) -> Floats:
        """One row per point; ``scores`` of those architectures that have any."""
        codes = self._one_hot([one for one, _ in points])
        values = [scores.get(one, {}) for one, _ in points]
        columns = [
            _placed(known, [one.get(name, math.nan) for one in values])
            * math.sqrt(SCORES / 2 / len(self._known))
            for name, known in self._known.items()
        ]
        longest, shortest = self._lengths
        logs = np.log([max(1, epochs) for _, epochs in points])
        place = (logs - shortest) / max(1e-9, longest - shortest)
        return np.column_stack([codes * self._scale, *columns, place * math.sqrt(EPOCHS)])

    def _one_hot(self, architectures: Sequence[Architecture]) -> Floats:
        """As :meth:`Space.encode`, for many at once."""
        last = sum(map(len, self._places))  # a column for what is not open, dropped in the end
        taken = [
            [last if value is None else places[value] for places, value in decided]
            for decided in (zip(self._places, one.values, strict=True) for one in architectures)
        ]
        codes = np.zeros((len(architectures), last + 1))
        np.put_along_axis(codes, np.array(taken), 1.0, axis=1)
        return codes[:, :last]


def _distinct(columns: Mapping[str, Floats]) -> dict[str, Floats]:
    """Sorted values of each column that orders otherwise than those before it."""
    orders: dict[bytes, str] = {}
    for name, values in columns.items():
        orders.setdefault(np.unique(values, return_inverse=True)[1].tobytes(), name)
    return {name: np.sort(columns[name]) for name in orders.values()}


def _placed(known: Floats, values: Sequence[float]) -> Floats:
    """Where values stand among sorted ones, as quantiles of the normal distribution."""
    asked = np.array(values)
    ranks = (np.searchsorted(known, asked) + np.searchsorted(known, asked, side="right")) / 2
    places = ndtri((ranks + 0.5) / (len(known) + 1))
    return np.where(np.isfinite(asked), places, 0.0)
