"""Cells of NAS-Bench-101 as a table: matrix, labels, and a row per training."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nascout.benchmark.measure import MEAN, Measure
from nascout.benchmark.table import Columns, TableBenchmark, benchmark
from nascout.errors import DataError
from nascout.space import Architecture
from nascout.space.nasbench101 import NasBench101

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NasBench101Small"]

OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
CELL = ["matrix", "op_labels"]


@benchmark(
    "nasbench101_small",
    paper="arXiv:2210.06015",
    architectures=1_266,
    file="a table with the columns matrix, op_labels, epochs, hash, val_acc, test_acc, ...",
    page="github.com/PedramBakh/ec-nas-bench",
    licence="MIT",
)
class NasBench101Small(TableBenchmark):
    """Cells of a few vertices trained for a few epochs, with an accuracy as a fraction of 1.

    Where a cell was trained for several numbers of epochs, only the rows of the most epochs
    count; several repeats are averaged. Isomorphic cells are one, by the official hash.
    """

    space: str = "nasbench101"
    accuracy: str = "test_acc"
    needs: ClassVar = ("matrix", "op_labels", "epochs")
    accuracies: ClassVar = r"(train|val|test)_acc"
    canonical_column: ClassVar = "hash"

    def kept(self, table: Columns) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Those of the most epochs in the table."""
        epochs = np.asarray(table["epochs"])
        return np.asarray(epochs == epochs.max(initial=0))

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """One row per cell: the most epochs in the table, the mean over repeats."""
        cells = super().rows(table).groupby(["epochs", *CELL], sort=False)
        mean: pd.DataFrame = cells.mean(numeric_only=True).reset_index()
        return mean

    def notations(self, table: Columns) -> Iterable[str]:
        """Each vertex's operation and sources."""
        return [
            _notation(matrix, labels)
            for matrix, labels in zip(table["matrix"], table["op_labels"], strict=True)
        ]

    def canonical(self, architecture: Architecture) -> str:
        """The official hash."""
        return NasBench101.hash(architecture)

    def measure(self, column: str) -> Measure | None:
        """Accuracies, times, energy, parameters."""
        if column.endswith("_acc"):
            return Measure(
                metric="accuracy",
                dataset="cifar10",
                split=column.removesuffix("_acc"),
                seed=MEAN,
                higher_is_better=True,
                unit="fraction of 1",
            )
        lower: dict[str, Any] = {"dataset": "cifar10", "seed": MEAN, "higher_is_better": False}
        return {
            "train_time": Measure(metric="train_seconds", unit="s", **lower),
            "energy_kwh": Measure(metric="energy_kwh", unit="kWh", **lower),
            "params": Measure(metric="params", higher_is_better=False),
        }.get(column)


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
