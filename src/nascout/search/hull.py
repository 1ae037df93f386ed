"""The lower convex hull of cost and error, and who is close to it. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nascout.errors import ConfigError

__all__ = ["EPSILON", "eligible", "hull", "hull_error"]

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
