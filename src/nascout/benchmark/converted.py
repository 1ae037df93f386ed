"""Benchmarks that are opened from nascout's own format only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from nascout.benchmark.measure import Measure
from nascout.benchmark.standard import ARCHITECTURE
from nascout.benchmark.table import Columns, TableBenchmark
from nascout.benchmark.table_file import TableFile
from nascout.errors import DataError

__all__ = ["ConvertedOnly"]


class ConvertedOnly(TableBenchmark):
    """Its official file is no table: ``nascout benchmark convert`` makes one."""

    needs: ClassVar = (ARCHITECTURE,)

    def notations(self, table: Columns) -> Iterable[str]:
        """As they were written."""
        return map(str, table[ARCHITECTURE])

    def measure(self, column: str) -> Measure | None:
        """A converted file says itself what its columns are."""
        return None

    def _check_columns(self, table: TableFile) -> None:
        raise DataError(
            f"{table.path} is not a converted {self.name}",
            f"Write one with: nascout benchmark convert OFFICIAL OUT.parquet --name {self.name}",
        )
