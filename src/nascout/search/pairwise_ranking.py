"""A pairwise ranking loss: of two, the better one is to be predicted lower. Failures take part."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

__all__ = ["fit_ranking", "pair_weights", "pairwise_loss"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


def pair_weights(losses: Floats, negatives: float = 1.0) -> Floats:
    """How much each pair counts; all together 1.

    Args:
        losses: (n,), the lower the better; ``inf`` for what failed, which is worse than everything
            that did not. Equal ones are no pair.
        negatives: share of the worst that may be the worse one of a pair, beside the failures.

    Returns:
        (n, n); entry (i, j) is positive where i is better than j. All 0 where nothing is better
        than anything.

    Example:
        >>> pair_weights(np.array([1.0, 2.0, np.inf]))[0]
        array([0.        , 0.33333333, 0.33333333])
    """
    losses = np.asarray(losses, dtype=float)
    finite = losses[np.isfinite(losses)]
    bad = losses >= (np.quantile(finite, 1 - negatives, method="lower") if finite.size else np.inf)
    pairs = (losses[:, None] < losses) & bad
    return np.asarray(pairs / max(1, pairs.sum()))


def pairwise_loss(
    weights: Floats, features: Floats, pairs: Floats, penalty: float
) -> tuple[float, Floats]:
    """Logistic loss of a linear ranking, and its gradient.

    ``sum_ij pairs_ij log(1 + exp(f_i - f_j)) + penalty/2 |weights|²`` with ``f = features @
    weights``: RankNet's loss (Burges et al. 2005, equation 3) with a target probability of 1.

    Args:
        weights: (d,).
        features: (n, d).
        pairs: (n, n), see :func:`pair_weights`.
        penalty: on the weights.

    Example:
        >>> one = np.eye(2)
        >>> round(pairwise_loss(np.zeros(2), one, pair_weights(np.array([0.0, 1.0])), 0.0)[0], 4)
        0.6931
    """
    predicted = features @ weights
    margins = predicted[:, None] - predicted  # of the better over the worse: to be negative
    slopes = pairs * expit(margins)
    value = float((pairs * np.logaddexp(0, margins)).sum() + penalty / 2 * weights @ weights)
    return value, features.T @ (slopes.sum(axis=1) - slopes.sum(axis=0)) + penalty * weights


def fit_ranking(
    features: Floats, losses: Floats, *, negatives: float = 1.0, penalty: float = 1e-3
) -> Floats:
    """The weights (d,) of least :func:`pairwise_loss`; a convex problem, by L-BFGS from 0.

    Args:
        features, losses, negatives, penalty: see :func:`pairwise_loss` and :func:`pair_weights`.

    Example:
        >>> weights = fit_ranking(np.array([[0.0], [1.0], [2.0]]), np.array([5.0, 6.0, np.inf]))
        >>> bool(weights[0] > 0)
        True
    """
    pairs = pair_weights(losses, negatives)
    start = np.zeros(features.shape[1])
    found = minimize(
        pairwise_loss, start, args=(features, pairs, penalty), jac=True, method="L-BFGS-B"
    )
    return np.asarray(found.x)
