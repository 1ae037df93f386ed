"""NAS-Bench-201 as a table: a row per cell, a column per data set, part and recipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from nascout.benchmark.table import TableBenchmark, benchmark

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NasBench201Table"]


@benchmark("nasbench201", paper="arXiv:2001.00326")
class NasBench201Table(TableBenchmark):
    """15,625 cells on CIFAR-10 and CIFAR-100, means over seeds, in percent.

    ``c10_test`` is of networks trained on all training images, ``c10valid_*`` of networks trained
    on half of them: the benchmark's two settings, not two parts of one. ``*_hp12`` is after 12
    epochs instead of 200, ``*_nats`` is NATS-Bench's number.
    """

    space: str = "nasbench201"
    accuracy: str = "c10_test"
    needs: ClassVar = ("arch_str",)
    accuracies: ClassVar = r"(c10|c10valid|c100|in16)_(train|val|test)(_hp12|_nats)?"

    def notations(self, table: pd.DataFrame) -> Iterable[str]:
        """The benchmark's own strings."""
        return table["arch_str"]
