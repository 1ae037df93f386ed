"""Collecting what official files hold, one number at a time, into columns."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from nascout.benchmark.bootstrap import Floats
from nascout.benchmark.measure import MEAN, Measure

__all__ = ["Records"]


class Records:
    """A table that grows: a row per architecture, a column per measure, NaN where nothing is.

    >>> records = Records()
    >>> for seed, value in enumerate([1.0, 3.0]):
    ...     records.put("a", Measure(metric="accuracy", seed=seed), value)
    >>> columns, measures = records.with_means()
    >>> list(columns), columns["accuracy/mean"].tolist()
    (['architecture', 'accuracy/0', 'accuracy/1', 'accuracy/mean'], [2.0])
    """

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._columns: dict[Measure, array[float]] = {}
        self._texts: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, architecture: str, measure: Measure, value: float) -> None:
        """Note one number; one that was there is replaced."""
        row = self._rows.setdefault(architecture, len(self._rows))
        column = self._columns.setdefault(measure, array("d"))
        _pad(column, row + 1)
        column[row] = value

    def put_text(self, architecture: str, column: str, text: str) -> None:
        """Note a text, such as a hash."""
        row = self._rows.setdefault(architecture, len(self._rows))
        texts = self._texts.setdefault(column, [])
        texts.extend([""] * (row + 1 - len(texts)))
        texts[row] = text

    def with_means(self) -> tuple[dict[str, Floats | list[str]], dict[str, Measure]]:
        """Columns, ``architecture`` first, and their measures, with the mean over seeds of each."""
        found: dict[Measure, Floats] = {}
        for measure, column in self._columns.items():
            _pad(column, len(self))
            found[measure] = np.frombuffer(column)
        groups: dict[Measure, list[Floats]] = {}
        for measure, values in found.items():
            if isinstance(measure.seed, int):
                groups.setdefault(replace(measure, seed=MEAN), []).append(values)
        found |= {measure: _mean(values) for measure, values in groups.items()}
        named = {_name(measure): measure for measure in found}
        columns: Mapping[str, Floats] = {_name(m): values for m, values in found.items()}
        return {"architecture": list(self._rows), **self._texts, **columns}, named


def _name(measure: Measure) -> str:
    return "/".join(map(str, measure.coordinates.values()))


def _pad(column: array[float], length: int) -> None:
    column.extend([math.nan] * (length - len(column)))


def _mean(columns: list[Floats]) -> Floats:
    """Over those that are there."""
    stacked = np.stack(columns)
    there = ~np.isnan(stacked)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, stacked, 0).sum(axis=0) / there.sum(axis=0))
