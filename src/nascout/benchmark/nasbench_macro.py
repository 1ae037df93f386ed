"""NAS-Bench-Macro as a table: eight blocks, each one of three."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from nascout.benchmark.table import TableBenchmark, benchmark

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NasBenchMacroTable"]


@benchmark("nasbench_macro", paper="arXiv:2103.11922")
class NasBenchMacroTable(TableBenchmark):
    """6,561 MobileNet-like networks on CIFAR-10: three seeds and their mean, in percent."""

    space: str = "nasbench_macro"
    accuracy: str = "mean_acc"
    needs: ClassVar = ("arch",)
    accuracies: ClassVar = r"mean_acc|acc[123]"

    def notations(self, table: pd.DataFrame) -> Iterable[str]:
        """A digit per block."""
        return table["arch"]
