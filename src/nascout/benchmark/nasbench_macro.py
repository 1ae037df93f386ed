"""NAS-Bench-Macro as a table: eight blocks, each one of three."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from nascout.benchmark.measure import MEAN, Measure
from nascout.benchmark.table import Columns, TableBenchmark, benchmark

__all__ = ["NasBenchMacroTable"]


@benchmark(
    "nasbench_macro",
    paper="arXiv:2103.11922",
    architectures=6_561,
    file="a table with the columns arch, acc1, acc2, acc3, mean_acc, params, flops",
    page="github.com/xiusu/NAS-Bench-Macro",
    licence="Apache-2.0",
)
class NasBenchMacroTable(TableBenchmark):
    """6,561 MobileNet-like networks on CIFAR-10: three trainings and their mean, in percent.

    The trainings are numbered 1 to 3; their seeds are not published. ``flops`` are multiply-adds.
    """

    space: str = "nasbench_macro"
    accuracy: str = "mean_acc"
    needs: ClassVar = ("arch",)
    accuracies: ClassVar = r"mean_acc|acc[123]"

    def notations(self, table: Columns) -> Iterable[str]:
        """A digit per block."""
        return map(str, table["arch"])

    def measure(self, column: str) -> Measure | None:
        """Accuracies by number of the training, parameters, MACs."""
        seeds: dict[str, int | str] = {"mean_acc": MEAN, "acc1": 1, "acc2": 2, "acc3": 3}
        if column in seeds:
            return Measure(
                metric="accuracy",
                dataset="cifar10",
                split="test",
                seed=seeds[column],
                higher_is_better=True,
                unit="%",
            )
        costs = {"params": "params", "flops": "macs"}
        return Measure(metric=costs[column], higher_is_better=False) if column in costs else None
