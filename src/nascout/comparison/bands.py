"""The usual course of a strategy: median and quartiles over runs, at every cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nascout.benchmark.bootstrap import Floats

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Band", "band"]

POINTS = 200


@dataclass(frozen=True)
class Band:
    """A strategy's course: (points,) each.

    Attributes:
        cost: evaluations or simulated seconds.
        low, median, high: quartiles of the leader's accuracy over runs, NaN before every run has
            a leader.
    """

    cost: Floats
    low: Floats
    median: Floats
    high: Floats


def band(course: pd.DataFrame, cost: str, by: str, most: float) -> Band:
    """Quartiles over the runs of one strategy on one data set.

    Args:
        course: changes of the leader, with ``seed``.
        cost: the column to draw over, ``evaluations`` or ``seconds``.
        by: the accuracy to draw.
        most: where it ends.
    """
    least = course.groupby("seed")[cost].min().max() if len(course) else 0.0
    start = max(float(least), most / POINTS / 10)
    at = np.unique(np.append(np.geomspace(min(start, most), most, POINTS), most))
    if cost == "evaluations":
        at = np.unique(np.floor(at))
    runs = [_held(group, cost, by, at) for _, group in course.groupby("seed")]
    stacked = np.stack(runs) if runs else np.full((1, len(at)), np.nan)
    low, median, high = np.quantile(stacked, [0.25, 0.5, 0.75], axis=0)
    return Band(at, low, median, high)


def _held(group: pd.DataFrame, cost: str, by: str, at: Floats) -> Floats:
    """What the leader of one run had, at each cost."""
    places = np.searchsorted(group[cost].to_numpy(float), at, side="right") - 1
    values = group[by].to_numpy(float)[np.maximum(places, 0)]
    return np.where(places >= 0, values, np.nan)
