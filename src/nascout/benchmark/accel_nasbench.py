"""Accel-NASBench as a table: MnasNet-like networks on ImageNet under a short recipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from nascout.benchmark.table import TableBenchmark, benchmark

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AccelNasBenchTable"]

STAGES = range(7)


@benchmark("accel_nasbench", paper="arXiv:2404.08005")
class AccelNasBenchTable(TableBenchmark):
    """Thousands of MnasNet-like networks: ImageNet accuracy in percent after 16 epochs.

    A few configurations were trained twice; each training is a row.
    """

    space: str = "mnasnet"
    accuracy: str = "val_top1"
    needs: ClassVar = tuple(f"block{i}_{part}" for i in STAGES for part in ("e", "k", "l", "se"))
    accuracies: ClassVar = r"val_top[15]"

    def notations(self, table: pd.DataFrame) -> Iterable[str]:
        """Expansion, kernel, layers and gate of each stage."""
        columns = (table[name] for name in self.needs)
        for row in zip(*columns, strict=True):
            yield "-".join(_stage(*row[4 * i : 4 * i + 4]) for i in STAGES)


def _stage(e: int, k: int, layers: int, gated: bool) -> str:
    return f"e{e}k{k}l{layers}{'se' if gated else ''}"
