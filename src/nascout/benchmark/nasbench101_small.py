"""Cells of NAS-Bench-101 as a table: matrix, labels, and a row per training."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from nascout.benchmark.table import TableBenchmark, benchmark
from nascout.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NasBench101Small"]

OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
CELL = ["matrix", "op_labels"]


@benchmark("nasbench101_small", paper="arXiv:2210.06015")
class NasBench101Small(TableBenchmark):
    """Cells of a few vertices trained for a few epochs, with an accuracy as a fraction of 1.

    Where a cell was trained for several numbers of epochs, only the rows of the most epochs
    count; several repeats are averaged.
    """

    space: str = "nasbench101"
    accuracy: str = "test_acc"
    needs: ClassVar = ("matrix", "op_labels", "epochs")
    accuracies: ClassVar = r"(train|val|test)_acc"

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """One row per cell: the most epochs in the table, the mean over repeats."""
        longest = table[table["epochs"] == table["epochs"].max()]
        cells = longest.groupby(["epochs", *CELL], sort=False)
        mean: pd.DataFrame = cells.mean(numeric_only=True).reset_index()
        return mean

    def notations(self, table: pd.DataFrame) -> Iterable[str]:
        """Each vertex's operation and sources."""
        return [
            _notation(matrix, labels)
            for matrix, labels in zip(table["matrix"], table["op_labels"], strict=True)
        ]


def _notation(matrix: str, labels: str) -> str:
    try:
        rows, ops = json.loads(matrix), [OPS[label] for label in json.loads(labels)[1:-1]]
        vertices = enumerate([*ops, "output"], 1)
        return "|".join(
            f"{op}:{''.join(str(i) for i, row in enumerate(rows) if row[v])}" for v, op in vertices
        )
    except (ValueError, TypeError, IndexError):
        raise DataError(
            f"{matrix} with labels {labels} is no cell",
            "Write both as JSON: rows of 0 and 1; labels 0 to 2, input and output around them.",
        ) from None
