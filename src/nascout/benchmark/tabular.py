"""A benchmark that is a file: columns are read when they are asked for, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nascout.benchmark.bootstrap import Floats
from nascout.benchmark.measure import Measure
from nascout.benchmark.notation_index import Integers, NotationIndex, first_rows
from nascout.benchmark.opened import Benchmark
from nascout.benchmark.standard import ARCHITECTURE, Documented, Header
from nascout.benchmark.table_file import TableFile
from nascout.space import Architecture

if TYPE_CHECKING:
    from nascout.benchmark.table import TableBenchmark

__all__ = ["Tabular"]


class Tabular(Benchmark):
    """A table of its own format, or one in nascout's.

    Rows of the same architecture, such as repeats of a training, are one: the mean of those that
    have a value.

    Attributes:
        header: what a file in nascout's format says about itself, ``None`` for others.
    """

    def __init__(
        self,
        kind: TableBenchmark,
        table: TableFile,
        measures: Mapping[str, Measure],
        documented: Documented | None = None,
    ) -> None:
        space = documented.header.space if documented else kind.space
        super().__init__(kind.name, space, measures)
        self._kind, self._table, self._documented = kind, table, documented

    @property
    def header(self) -> Header | None:
        """Where the file came from, as it says itself."""
        return self._documented.header if self._documented else None

    def notations(self) -> Iterable[str]:
        """Read, or made from the columns that say what an architecture is."""
        if self._documented:
            return map(str, self._documented.checked(self._table, ARCHITECTURE))
        notations = self._kind.notations(self._table)
        if self._rows is None:
            return notations
        return (text for text, kept in zip(notations, self._rows, strict=True) if kept)

    def load(self, column: str) -> Floats:
        """One number per distinct architecture."""
        values = np.asarray(self._column(column), dtype=np.float64)
        groups = self.index.groups
        return values if groups is None else _means(values, groups, len(self))

    def isomorphic(self, architecture: Architecture) -> int | None:
        """By the canonical text of the benchmark, such as NAS-Bench-101's hash."""
        column = self._kind.canonical_column
        if column is None or column not in self._table:
            return None
        found = self._canonical.find(self._kind.canonical(architecture))
        return None if found is None else int(self._canonical_places[found])

    @cached_property
    def _canonical(self) -> NotationIndex:
        return NotationIndex(map(str, self._column(str(self._kind.canonical_column))))

    @cached_property
    def _canonical_places(self) -> Integers:
        """For each distinct canonical text, an architecture that has it."""
        groups = self._canonical.groups
        rows = np.arange(len(self._canonical)) if groups is None else first_rows(groups)
        return rows if self.index.groups is None else self.index.groups[rows]

    @cached_property
    def _rows(self) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
        """Which rows of the file count; ``None`` for all."""
        return None if self._documented else self._kind.kept(self._table)

    def _column(self, name: str) -> np.ndarray[Any, Any]:
        if self._documented:
            return self._documented.checked(self._table, name)
        values = self._table[name]
        return values if self._rows is None else values[self._rows]


def _means(values: Floats, groups: Integers, count: int) -> Floats:
    """The mean of each group over its values that are there; NaN for a group without any."""
    there = ~np.isnan(values)
    sums = np.bincount(groups[there], weights=values[there], minlength=count)
    counts = np.bincount(groups[there], minlength=count)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / counts)
