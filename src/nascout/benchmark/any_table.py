"""Any table with a column of architectures, for a space of the user's choice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from nascout.benchmark.table import NOTATIONS, TableBenchmark, benchmark
from nascout.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AnyTable"]


@benchmark("table")
class AnyTable(TableBenchmark):
    """A file of your own: a column of notations, and columns of numbers that are better higher.

    Args:
        space: whose notation it is.
        accuracy: the column to judge by unless another is asked for.
        column: where they are; by default ``architecture``, ``arch`` or ``arch_str``.
    """

    space: str = ""
    accuracy: str = "accuracy"
    column: str = ""
    needs: ClassVar = ()
    accuracies: ClassVar = ".*"

    def notations(self, table: pd.DataFrame) -> Iterable[str]:
        """The first column with a known name, or the one that was named."""
        wanted = [self.column] if self.column else NOTATIONS
        found = [name for name in wanted if name in table]
        if not found:
            raise DataError(
                f"the table has no column {' or '.join(wanted)}",
                "Name the column of architectures so.",
            )
        return table[found[0]]

    def __post_init__(self) -> None:
        if not self.space:
            raise ConfigError("a table of your own needs its space", "Give --space NAME.")
