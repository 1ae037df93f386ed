"""Which model to grow next: those close to the lower convex hull of cost and error."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nascout.errors import ConfigError

__all__ = ["EPSILON", "eligible", "hull", "hull_error", "sample_archai", "sample_petridish"]

EPSILON = 0.025

Values = NDArray[np.float64]


def hull(costs: Sequence[float], errors: Sequence[float]) -> list[int]:
    """Indices of the lower left convex hull, cheapest first.

    As in the released code of Petridish, a point of twice the largest cost and the smallest
    error closes the hull on the right, so that error never rises again with cost. It is not in
    the answer. Of equal points the first counts; a point on a straight part of the hull, none.

    Args:
        costs: each finite and above 0.
        errors: finite; lower is better.

    Raises:
        ConfigError: other values, or none.

    >>> hull([1, 2, 3, 4], [10, 6, 5.9, 3])
    [0, 1, 3]
    """
    x, y = np.asarray(costs, float), np.asarray(errors, float)
    if not len(x) or x.shape != y.shape or not (np.isfinite([x, y]).all() and (x > 0).all()):
        raise ConfigError(
            f"a hull of costs {list(costs)} and errors {list(errors)}",
            "Give as many finite errors as finite costs above 0, at least one.",
        )
    x, y = np.append(x, 2 * x.max()), np.append(y, y.min())
    chain: list[int] = []  # Andrew's monotone chain, its lower half
    for i in np.lexsort((y, x)).tolist():
        if chain and x[chain[-1]] == x[i]:
            continue
        while len(chain) > 1 and _not_below(x, y, chain[-2], chain[-1], i):
            chain.pop()
        chain.append(i)
    return chain[:-1]


def _not_below(x: Values, y: Values, a: int, b: int, c: int) -> bool:
    """Whether point b is on or above the line from a to c."""
    return bool((x[b] - x[a]) * (y[c] - y[a]) <= (y[b] - y[a]) * (x[c] - x[a]))


def hull_error(costs: Sequence[float], errors: Sequence[float]) -> Values:
    """The hull's error at every cost: (n,)."""
    x, y = np.asarray(costs, float), np.asarray(errors, float)
    corners = hull(costs, errors)
    at: Values = np.interp(x, x[corners], y[corners])
    return at


def eligible(
    costs: Sequence[float], errors: Sequence[float], epsilon: float = EPSILON
) -> list[int]:
    """Indices of those with error at most (1 + epsilon) times the hull's, cheapest first.

    >>> eligible([1, 2, 3, 4], [10, 6, 5.9, 3]), eligible([1, 2, 3, 4], [10, 6, 4.6, 3])
    ([0, 1, 3], [0, 1, 2, 3])
    """
    near = np.asarray(errors, float) <= (1 + epsilon) * hull_error(costs, errors)
    return [i for i in np.lexsort((errors, costs)).tolist() if near[i]]


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


def _scaled(values: Sequence[float]) -> Values:
    x = np.asarray(values, float)
    scaled: Values = (x - x.min()) / (np.ptp(x) or 1.0)
    return scaled
