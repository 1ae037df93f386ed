"""Any table with a column of architectures, for a space of the user's choice."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from nascout.benchmark.measure import Measure, read_measures
from nascout.benchmark.table import NOTATIONS, Columns, TableBenchmark, benchmark
from nascout.benchmark.tabular import Tabular
from nascout.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AnyTable"]


@benchmark("table", file="a CSV or Parquet file of your own")
class AnyTable(TableBenchmark):
    """A file of your own: a column of notations, and columns of numbers.

    Args:
        space: whose notation it is.
        accuracy: the column to judge scores by unless another is asked for.
        column: where the notations are; by default ``architecture``, ``arch`` or ``arch_str``.
        columns: what the numbers are, as :class:`nascout.benchmark.measure.Measure`'s arguments:
            ``{"top1": {"metric": "accuracy", "split": "val", "higher_is_better": True}}``. Without
            it every column is a metric of its own name that is better the higher.

    Example:
        >>> AnyTable(space="nasbench201").measure("top1").metric
        'top1'
    """

    space: str = ""
    accuracy: str = "accuracy"
    column: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    needs: ClassVar = ()
    accuracies: ClassVar = ".*"

    def notations(self, table: Columns) -> Iterable[str]:
        """The first column with a known name, or the one that was named."""
        wanted = [self.column] if self.column else NOTATIONS
        found = [name for name in wanted if name in table]
        if not found:
            raise DataError(
                f"the table has no column {' or '.join(wanted)}",
                "Name the column of architectures so.",
            )
        return map(str, table[found[0]])

    def measure(self, column: str) -> Measure | None:
        """What the map says of it; its name, if there is no map."""
        if not self.columns:
            return Measure(metric=column, higher_is_better=True)
        return read_measures(self.columns, "the column map").get(column)

    def open(self, path: str | os.PathLike[str]) -> Tabular:
        """See :meth:`TableBenchmark.open`; ConfigError too where the space is not known."""
        opened = super().open(path)
        self._check_space(opened.space)
        return opened

    def read(self, path: str | os.PathLike[str]) -> pd.DataFrame:
        """See :meth:`TableBenchmark.read`; ConfigError too where the space is not known."""
        self._check_space(self.space)
        return super().read(path)

    @staticmethod
    def _check_space(space: str) -> None:
        if not space:
            raise ConfigError("a table of your own needs its space", "Give --space NAME.")
