"""What one gets by drawing N networks and keeping the one with the best score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from nascout.benchmark.bootstrap import Estimate, Floats, draw_counts, estimate

__all__ = ["Picks", "pick_probabilities", "picks", "top_threshold"]


@dataclass(frozen=True)
class Picks:
    """The pick of ``n`` networks drawn at random, with 95 % bootstrap intervals.

    Attributes:
        n: how many are drawn.
        accuracy: the pick's expected accuracy.
        spread: standard deviation of its accuracy from draw to draw.
        in_top: by name of a threshold, the probability that the pick reaches it.
    """

    n: int
    accuracy: Estimate
    spread: float
    in_top: Mapping[str, Estimate]


def picks(
    score: Floats,
    accuracy: Floats,
    n: int,
    thresholds: Mapping[str, float],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Picks | None:
    """Expected accuracy of the pick of ``n``, and how often it is among the truly best.

    Exact over all draws without replacement and all ways to break ties; only the intervals are
    simulated. With ``n`` near the number of rows, every draw is much the same, and the interval
    says more than ``spread``.

    Args:
        score: (rows,), better the higher; what is not finite has failed and is picked last.
        accuracy: (rows,), finite.
        n: how many are drawn.
        thresholds: accuracies to reach, by name; see :func:`top_threshold`.
        resamples: bootstrap resamples of rows, see :func:`draw_counts`.
        seed: of the resampling.

    Returns:
        None if there are fewer than ``n`` rows.

    >>> found = picks(np.array([1.0, 2, 3]), np.array([10.0, 30, 20]), 2, {"best": 30}, resamples=0)
    >>> round(found.accuracy.value, 4), round(found.in_top["best"].value, 4)
    (23.3333, 0.3333)
    """
    if len(score) < n:
        return None
    counts = draw_counts(len(score), resamples, seed)
    chance = pick_probabilities(score, n, counts)
    mean = chance @ accuracy
    variance = float(chance[0] @ (accuracy - mean[0]) ** 2)
    in_top = {name: estimate(chance @ (accuracy >= bar)) for name, bar in thresholds.items()}
    return Picks(n, estimate(mean), variance**0.5, in_top)


def pick_probabilities(score: Floats, n: int, counts: Floats | None = None) -> Floats:
    """How likely each row is the pick: the best score of ``n`` rows drawn without replacement.

    Of R rows, the best k all stay out with probability C(R - k, n) / C(R, n); a group of equal
    scores shares what falls to it. What is not finite is one group, below all others.

    Args:
        score: (rows,), better the higher.
        n: how many are drawn, at most the number of rows.
        counts: (resamples, rows), how often each row is there; once each if None.

    Returns:
        Shape (resamples, rows); each row sums to 1.

    >>> pick_probabilities(np.array([1.0, 2, 3]), 2).round(4).tolist()
    [[0.0, 0.3333, 0.6667]]
    """
    counts = np.ones((1, len(score))) if counts is None else counts
    rows = len(score)
    worth = np.where(np.isfinite(score), score, -np.inf)
    group = rankdata(-worth, method="dense") - 1  # 0 for the best
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))
    sizes = np.add.reduceat(counts[:, order], starts, axis=1)
    k = np.arange(rows)
    none_of_best = np.concatenate([[1.0], np.cumprod(np.maximum(rows - k - n, 0) / (rows - k))])
    last = sizes.cumsum(axis=1).astype(int)
    falls_to = none_of_best[last - sizes.astype(int)] - none_of_best[last]
    share = np.divide(falls_to, sizes, out=np.zeros_like(falls_to), where=sizes > 0)
    return np.asarray(counts * share[:, group])


def top_threshold(accuracy: Floats, fraction: float) -> float:
    """The least accuracy among the best ``fraction`` of rows, at least one row.

    >>> top_threshold(np.arange(100.0), 0.05)
    95.0
    """
    best = max(1, round(fraction * len(accuracy)))
    return float(np.sort(accuracy)[-best])
