"""Which model to grow next: those close to the lower convex hull of cost and error."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nascout.search.hull import EPSILON, eligible, hull, hull_error

__all__ = ["EPSILON", "eligible", "hull", "hull_error", "sample_archai", "sample_petridish"]


def sample_petridish(
    costs: Sequence[float],
    errors: Sequence[float],
    times: Sequence[int],
    rng: random.Random,
    epsilon: float = EPSILON,
) -> int:
    """The index of the parent to grow next, as Petridish's released code draws it.

    Eligible models are asked from the most expensive to the cheapest, again and again; one that
    was chosen k times before accepts with probability 1 / (k + 1).

    Args:
        costs, errors: of all models.
        times: how often each was chosen; the caller counts.
        rng: what draws.
        epsilon: multiplicative tolerance.

    >>> sample_petridish([1, 2, 4], [10, 6, 3], [0, 0, 0], random.Random(0))
    2
    """
    models = eligible(costs, errors, epsilon)[::-1]
    while True:
        for i in models:
            if rng.random() < 1 / (times[i] + 1):
                return i


def sample_archai(
    costs: Sequence[float],
    errors: Sequence[float],
    times: Sequence[int],
    rng: random.Random,
    epsilon: float = EPSILON,
) -> int:
    """The same as Archai draws it: once, with odds of 1/(1 + times) + 1/(1 + cost).

    Times and costs are scaled to run from 0 to 1 over the eligible models. (Where all are equal
    they are 0.)

    >>> sample_archai([1, 2, 4], [10, 6, 3], [9, 0, 9], random.Random(0))
    2
    """
    models = eligible(costs, errors, epsilon)
    odds = 1 / (1 + _scaled([times[i] for i in models])) + 1 / (
        1 + _scaled([costs[i] for i in models])
    )
    return rng.choices(models, odds.tolist())[0]


def _scaled(values: Sequence[float]) -> NDArray[np.float64]:
    x = np.asarray(values, float)
    scaled: NDArray[np.float64] = (x - x.min()) / (np.ptp(x) or 1.0)
    return scaled
