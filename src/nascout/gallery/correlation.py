"""How well a score ranks: Kendall's tau-b and Spearman's rho with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import numpy as np

from nascout.gallery.gallery import Gallery
from nascout.records import Objective

__all__ = ["Correlation", "correlate", "rank_correlation"]

STAGE_OF = {
    "val_accuracy": "train",
    "retrained_val_accuracy": "retrain",
    "test_accuracy": "retrain",
}
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Correlation:
    """Rank correlations over ``count`` pairs, each with its 95 % percentile interval.

    NaN where it is not defined: fewer than two pairs (three for an interval), or a constant.
    """

    count: int
    kendall: float
    kendall_interval: tuple[float, float]
    spearman: float
    spearman_interval: tuple[float, float]


def rank_correlation(
    one: Sequence[float], other: Sequence[float], *, resamples: int = 1000, seed: int = 0
) -> Correlation:
    """Correlate the ranks of two sequences of equal length; pairs that are not finite are left out.

    Args:
        one: for example scores.
        other: for example accuracies.
        resamples: bootstrap resamples of pairs.
        seed: of the resampling; the same seed gives the same intervals.

    Raises:
        ValueError: lengths that differ.

    >>> found = rank_correlation([1, 2, 3, 4], [10, 20, 40, 30])
    >>> round(found.kendall, 4), round(found.spearman, 4)
    (0.6667, 0.8)
    """
    pairs = np.array(
        [(a, b) for a, b in zip(one, other, strict=True) if isfinite(a) and isfinite(b)]
    ).reshape(-1, 2)
    rng = np.random.default_rng(seed)
    picks = [
        rng.integers(len(pairs), size=len(pairs)) for _ in range(resamples if len(pairs) > 2 else 0)
    ]
    return Correlation(
        len(pairs),
        _kendall(pairs),
        _interval(_kendall, pairs, picks),
        _spearman(pairs),
        _interval(_spearman, pairs, picks),
    )


def correlate(
    gallery: Gallery, score: str, accuracy: str = "val_accuracy", *, seed: int = 0
) -> Correlation:
    """Rank correlation of ``score`` with ``accuracy`` over the entries that have both.

    Accuracies after different numbers of epochs are not comparable, so only entries trained for
    the most epochs count.
    """
    wanted = (Objective(score, True), Objective(accuracy, True))
    stage = STAGE_OF.get(accuracy, gallery.stage or "score")
    entries = [
        entry
        for entry in gallery.at(stage)
        if all(isfinite(objective.loss(entry.values)) for objective in wanted)
    ]
    return rank_correlation(
        [entry.values[score] for entry in entries],
        [entry.values[accuracy] for entry in entries],
        seed=seed,
    )


def _is_constant(pairs: Floats) -> bool:
    return len(pairs) < 2 or bool((pairs == pairs[0]).all(axis=0).any())


def _kendall(pairs: Floats) -> float:
    from scipy.stats import kendalltau

    if _is_constant(pairs):
        return nan
    # Only the statistic is used; "asymptotic" is quick, but divides by zero for two pairs.
    x, y = pairs.T
    if len(pairs) == 2:
        return float(kendalltau(x, y, method="exact").statistic)
    return float(kendalltau(x, y, method="asymptotic").statistic)


def _spearman(pairs: Floats) -> float:
    from scipy.stats import rankdata

    if _is_constant(pairs):
        return nan
    ranks = rankdata(pairs, axis=0)  # ties get their mean rank
    return float(np.corrcoef(ranks[:, 0], ranks[:, 1])[0, 1])


def _interval(
    measure: Callable[[Floats], float], pairs: Floats, picks: Sequence[Any]
) -> tuple[float, float]:
    """The 2.5 % and 97.5 % percentiles over resamples on which the measure is defined."""
    found = [value for pick in picks if isfinite(value := measure(pairs[pick]))]
    if not found:
        return nan, nan
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
