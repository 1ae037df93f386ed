"""Resampling a table: a resample is how often each row was drawn."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Estimate", "Floats", "draw_counts", "estimate"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
MOST = 2_000_000  # rows drawn over all resamples
FEWEST = 100


class Estimate(NamedTuple):
    """A statistic and its 95 % percentile interval; NaN where it is not defined."""

    value: float
    low: float
    high: float


def draw_counts(n: int, resamples: int, seed: int) -> Floats:
    """How often each of ``n`` rows counts: all of them once, then in each bootstrap resample.

    Args:
        n: rows.
        resamples: how many are wanted; tables of more than 2,000 rows get fewer, so that
            work and memory stay bounded, but at least 100.
        seed: of the draws.

    Returns:
        Shape (1 + resamples, n); the first row is all ones, each row sums to n.

    >>> draw_counts(3, 2, seed=0).sum(axis=1).tolist()
    [3.0, 3.0, 3.0]
    """
    if n == 0:
        return np.ones((1, 0))
    affordable = min(resamples, max(FEWEST, MOST // n))
    rows = np.random.default_rng(seed).integers(n, size=(affordable, n))
    places = rows + n * np.arange(affordable)[:, None]
    counts = np.bincount(places.ravel(), minlength=affordable * n).reshape(affordable, n)
    return np.concatenate([np.ones((1, n)), counts.astype(float)])


def estimate(values: Floats) -> Estimate:
    """The statistic on all rows (``values[0]``), and its interval over the resamples.

    >>> estimate(np.array([0.5, 0.4, 0.6, np.nan]))
    Estimate(value=0.5, low=0.405, high=0.595)
    """
    found = values[1:][np.isfinite(values[1:])]
    if not (np.isfinite(values[0]) and len(found)):
        return Estimate(float(values[0]), math.nan, math.nan)
    low, high = np.percentile(found, [2.5, 97.5])
    return Estimate(float(values[0]), float(low), float(high))
