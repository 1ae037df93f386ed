"""TransNAS-Bench-101 as a table: its micro and macro networks on several tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from nascout.benchmark.measure import Measure
from nascout.benchmark.table import Columns, TableBenchmark, benchmark

__all__ = ["TransNasBench101Macro", "TransNasBench101Micro", "transnas_measure"]

ABOUT: Any = {
    "paper": "arXiv:2105.11871",
    "file": "a table with the columns arch, space, TASK__SPLIT_METRIC; or the .pth, converted",
    "page": "github.com/yawen-d/TransNASBench",
    "licence": "Apache-2.0",
}
UNITS = {"top1": "%", "top5": "%"}


def transnas_measure(column: str) -> Measure | None:
    """What ``class_scene__test_top1``, ``jigsaw__time_elapsed`` and their like are.

    >>> transnas_measure("jigsaw__valid_top1").coordinates
    {'metric': 'top1', 'dataset': 'jigsaw', 'split': 'val', 'seed': 0}
    """
    task, _, name = column.partition("__")
    if name == "time_elapsed":
        return Measure(
            metric="train_seconds", dataset=task, seed=0, unit="s", higher_is_better=False
        )
    found = re.fullmatch(r"(train|valid|test)_(\w+)", name)
    if found is None:
        return None
    metric = found[2]
    return Measure(
        metric=metric,
        dataset=task,
        split="val" if found[1] == "valid" else found[1],
        seed=0,
        higher_is_better=metric == "neg_loss" or "loss" not in metric,
        unit=UNITS.get(metric, ""),
    )


class _Half(TableBenchmark):
    """One of the two spaces, which the table holds together.

    ``dataset`` is the task. Metrics are the benchmark's: ``top1`` and ``top5`` in percent, and
    ``neg_loss``, the negated loss, where a task has no classes. A network was trained once per
    task; that training is ``seed=0``. Its table's ``time_elapsed`` is ``train_seconds``.
    """

    needs: ClassVar = ("arch", "space")
    accuracies: ClassVar = r"\w+__(train|valid|test)_(top1|top5|ssim|mIoU|neg_loss)"
    half: ClassVar[str]

    def kept(self, table: Columns) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Those of this space."""
        return np.asarray(table["space"] == self.half)

    def notations(self, table: Columns) -> Iterable[str]:
        """The benchmark's own strings."""
        return map(str, table["arch"])

    def measure(self, column: str) -> Measure | None:
        """``task__split_metric``."""
        return transnas_measure(column)


@benchmark("transnasbench101_micro", architectures=4_096, **ABOUT)
class TransNasBench101Micro(_Half):
    """4,096 cells on vision tasks; ``64-41414-1_02_333``."""

    space: str = "transnasbench101_micro"
    accuracy: str = "class_scene__test_top1"
    half: ClassVar = "micro"


@benchmark("transnasbench101_macro", architectures=3_256, **ABOUT)
class TransNasBench101Macro(_Half):
    """3,256 skeletons on vision tasks; ``64-1234-basic``."""

    space: str = "transnasbench101_macro"
    accuracy: str = "class_scene__test_top1"
    half: ClassVar = "macro"
