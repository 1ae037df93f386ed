"""NAS-Bench-201 as a table: a row per cell, a column per data set, part and recipe."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import ClassVar, Final

from nascout.benchmark.measure import MEAN, Measure
from nascout.benchmark.table import Columns, TableBenchmark, benchmark
from nascout.space.nasbench201 import NasBench201

__all__ = ["DATASETS", "NasBench201Table", "official_order"]

DATASETS: Final = {
    "c10": "cifar10",
    "c10valid": "cifar10-valid",
    "c100": "cifar100",
    "in16": "ImageNet16-120",
}
COST: Final = r"(params|flops_m_api)_(c10|c100|in16)"


@benchmark(
    "nasbench201",
    paper="arXiv:2001.00326",
    architectures=15_625,
    file="a table with the column arch_str; NAS-Bench-201-v1_1-096897.pth, converted",
    page="github.com/D-X-Y/NAS-Bench-201",
    licence="MIT",
)
class NasBench201Table(TableBenchmark):
    """15,625 cells on CIFAR-10, CIFAR-100 and ImageNet16-120, in percent.

    Two trainings on CIFAR-10, never to be mixed: ``cifar10-valid`` are networks trained on half of
    the training images, which gives ``val`` (the other half); ``cifar10`` are networks trained on
    all of them, which leaves ``test`` only. Published tables take val from the first and test
    from the second.

    Columns of a plain table: ``c10valid_val``, ``c10_test``, ``c100_test``, ...: means over seeds
    after 200 epochs; ``*_hp12`` after 12; ``*_nats``, NATS-Bench's numbers, are the metric
    ``accuracy_nats``; ``params_*``; ``flops_m_api_*``, millions of MACs, are ``macs``.
    """

    space: str = "nasbench201"
    accuracy: str = "c10_test"
    needs: ClassVar = ("arch_str",)
    accuracies: ClassVar = r"(c10|c10valid|c100|in16)_(train|val|test)(_hp12|_nats)?"

    def notations(self, table: Columns) -> Iterable[str]:
        """The benchmark's own strings."""
        return map(str, table["arch_str"])

    def measure(self, column: str) -> Measure | None:
        """Accuracies, parameters and MACs."""
        if cost := re.fullmatch(COST, column):
            metric, scale = ("params", 1.0) if cost[1] == "params" else ("macs", 1e6)
            return Measure(
                metric=metric, dataset=DATASETS[cost[2]], scale=scale, higher_is_better=False
            )
        found = re.fullmatch(self.accuracies, column)
        if found is None:
            return None
        return Measure(
            metric="accuracy_nats" if found[3] == "_nats" else "accuracy",
            dataset=DATASETS[found[1]],
            split=found[2],
            epochs=12 if found[3] == "_hp12" else 200,
            seed=MEAN,
            higher_is_better=True,
            unit="%",
        )


def official_order() -> list[str]:
    """The 15,625 cells by the index that the benchmark and those built on it file them under.

    All cells in the order of the space, shuffled by Python's generator with seed 88: what the
    official code that made the benchmark does.

    >>> official_order()[284]
    '|skip_connect~0|+|skip_connect~0|skip_connect~1|+|none~0|nor_conv_1x1~1|none~2|'
    """
    cells = [str(cell) for cell in NasBench201()]
    random.Random(88).shuffle(cells)
    return cells
