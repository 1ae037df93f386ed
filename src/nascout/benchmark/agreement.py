"""How well a score ranks: Kendall's tau-b, Spearman's rho and the distance correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nascout.benchmark.bootstrap import Estimate, Floats, draw_counts, estimate
from nascout.benchmark.concordance import concordant_sum
from nascout.benchmark.distance_correlation import distance_correlation

__all__ = ["Agreement", "agreement", "kendall", "spearman"]


@dataclass(frozen=True)
class Agreement:
    """Three correlations over ``count`` rows, each with its 95 % bootstrap interval."""

    count: int
    kendall: Estimate
    spearman: Estimate
    distance_correlation: Estimate


def agreement(
    score: Floats, accuracy: Floats, *, resamples: int = 1000, seed: int = 0
) -> Agreement:
    """Correlate a score with an accuracy; rows where either is not finite are left out.

    Args:
        score, accuracy: (n,), better the higher.
        resamples: bootstrap resamples of rows, see :func:`draw_counts`.
        seed: of the resampling.

    >>> found = agreement(np.array([1.0, 2, 3, 4]), np.array([10.0, 20, 40, 30]), resamples=0)
    >>> found.count, round(found.kendall.value, 4), round(found.spearman.value, 4)
    (4, 0.6667, 0.8)
    """
    finite = np.isfinite(score) & np.isfinite(accuracy)
    x, y = score[finite], accuracy[finite]
    if len(x) < 2:
        return Agreement(len(x), *[estimate(np.full(1, np.nan))] * 3)
    counts = draw_counts(len(x), resamples, seed)
    measures = (kendall, spearman, distance_correlation)
    return Agreement(len(x), *(estimate(measure(x, y, counts)) for measure in measures))


def kendall(x: Floats, y: Floats, counts: Floats) -> Floats:
    """Kendall's tau-b in each resample.

    tau-b = (concordant - discordant) / sqrt(pairs untied in x · pairs untied in y). Copies of a
    row are tied in both.

    Args:
        x, y: (n,), finite.
        counts: (resamples, n), how often each row was drawn.

    Returns:
        Shape (resamples,); NaN where a column is constant.

    >>> kendall(np.array([1.0, 2, 3]), np.array([1.0, 3, 2]), np.ones((1, 3))).round(4).tolist()
    [0.3333]
    """
    one = np.ones_like(x)
    n = counts.sum(axis=1)
    tied_x, tied_y, tied_both = (_tied_pairs(key, counts) for key in (x, y, np.stack([x, y])))
    untied = n**2 - tied_x - tied_y + tied_both  # ordered pairs, concordant or discordant
    concordant = 2 * concordant_sum(x, y, counts, [(one, one)])
    with np.errstate(invalid="ignore"):
        return np.asarray((2 * concordant - untied) / np.sqrt((n**2 - tied_x) * (n**2 - tied_y)))


def spearman(x: Floats, y: Floats, counts: Floats) -> Floats:
    """Spearman's rho in each resample: Pearson's correlation of ranks, ties sharing their mean.

    Arguments and value as :func:`kendall`'s.

    >>> spearman(np.array([1.0, 2, 3]), np.array([1.0, 3, 2]), np.ones((1, 3))).round(4).tolist()
    [0.5]
    """
    rx, ry = _ranks(x, counts), _ranks(y, counts)
    n = counts.sum(axis=1)
    middle = (n[:, None] + 1) / 2  # ranks always have this mean
    rx, ry = rx - middle, ry - middle
    spread = (counts * rx**2).sum(axis=1) * (counts * ry**2).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray((counts * rx * ry).sum(axis=1) / np.sqrt(spread))


def _drawn(x: Floats, counts: Floats) -> tuple[Floats, Any]:
    """How often each distinct value (or column) was drawn, in order; where each row's value is."""
    _, place = np.unique(x, axis=-1, return_inverse=True)
    place = place.ravel()
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(place.max() + 1))
    return np.add.reduceat(counts[:, order], starts, axis=1), place


def _tied_pairs(x: Floats, counts: Floats) -> Floats:
    """Ordered pairs of drawn rows with equal values, each row with itself among them."""
    drawn, _ = _drawn(x, counts)
    return np.asarray((drawn**2).sum(axis=1))


def _ranks(x: Floats, counts: Floats) -> Floats:
    """(resamples, n): each row's mean rank among the drawn."""
    drawn, place = _drawn(x, counts)
    ranks = drawn.cumsum(axis=1) - (drawn - 1) / 2
    return np.asarray(ranks[:, place])
