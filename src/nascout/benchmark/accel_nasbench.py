"""Accel-NASBench as a table: MnasNet-like networks on ImageNet and on accelerators."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

from nascout.benchmark.measure import MEAN, Measure
from nascout.benchmark.table import Columns, TableBenchmark, benchmark

__all__ = ["AccelNasBenchTable"]

STAGES = range(7)
TRAINED: Any = {"dataset": "imagenet", "epochs": 16, "seed": MEAN}


@benchmark(
    "accel_nasbench",
    paper="arXiv:2404.08005",
    architectures=5_125,
    file="a table with the columns block0_e ... block6_se, val_top1, ...; or the folder of JSON "
    "records, converted",
    page="github.com/afzalxo/Accel-NASBench",
    licence="Apache-2.0",
)
class AccelNasBenchTable(TableBenchmark):
    """Thousands of MnasNet-like networks: ImageNet accuracy in percent after 16 epochs, and speed.

    A few configurations were trained twice. For correlations each training is a row; a query
    answers with the mean.

    Metrics: ``accuracy`` and ``top5_accuracy``, ``train_seconds``, ``params``, ``macs``, and per
    ``device`` ``throughput_fps`` or ``latency_ms``.
    """

    space: str = "mnasnet"
    accuracy: str = "val_top1"
    needs: ClassVar = tuple(f"block{i}_{part}" for i in STAGES for part in ("e", "k", "l", "se"))
    accuracies: ClassVar = r"val_top[15]"

    def notations(self, table: Columns) -> Iterable[str]:
        """Expansion, kernel, layers and gate of each stage."""
        columns = (table[name] for name in self.needs)
        for row in zip(*columns, strict=True):
            yield "-".join(_stage(*row[4 * i : 4 * i + 4]) for i in STAGES)

    def measure(self, column: str) -> Measure | None:
        """Accuracies, costs, and the mean throughput or latency on a device."""
        if column in ("val_top1", "val_top5"):
            metric = "accuracy" if column == "val_top1" else "top5_accuracy"
            return Measure(metric=metric, split="val", higher_is_better=True, unit="%", **TRAINED)
        if column == "train_time":
            return Measure(metric="train_seconds", unit="s", higher_is_better=False, **TRAINED)
        if column in ("info_params", "info_macs"):
            about = "the benchmark's count, with normalisation and pooling"
            return Measure(
                metric=column.removeprefix("info_"),
                scale=1e6,
                higher_is_better=False,
                about=about if column == "info_macs" else "",
            )
        speed = re.fullmatch(r"(latency|throughput)_(\w+)_mean", column)
        if speed is None:
            return None
        if speed[1] == "latency":
            return Measure(metric="latency_ms", device=speed[2], higher_is_better=False, unit="ms")
        return Measure(
            metric="throughput_fps", device=speed[2], higher_is_better=True, unit="images/s"
        )


def _stage(e: int, k: int, layers: int, gated: bool) -> str:
    return f"e{e}k{k}l{layers}{'se' if gated else ''}"
