"""NAS-Bench-101: every cell of up to seven vertices on CIFAR-10."""

from __future__ import annotations

from typing import ClassVar

from nascout.benchmark.converted import ConvertedOnly
from nascout.benchmark.table import benchmark
from nascout.space import Architecture
from nascout.space.nasbench101 import NasBench101

__all__ = ["NasBench101Table"]


@benchmark(
    "nasbench101",
    paper="arXiv:1902.09635",
    architectures=423_624,
    file="nasbench_only108.tfrecord or nasbench_full.tfrecord, converted",
    page="github.com/google-research/nasbench",
    licence="Apache-2.0",
)
class NasBench101Table(ConvertedOnly):
    """423,624 cells, three trainings each of 4, 12, 36 and 108 epochs; fractions of 1.

    The official query answers with one of the three trainings at random. Here the training is
    asked for: ``seed`` 0, 1, 2 in the order of the file, or ``"mean"``. Isomorphic cells are one,
    by the official hash.
    """

    space: str = "nasbench101"
    accuracy: str = "accuracy/cifar10/test/108/mean"
    canonical_column: ClassVar = "hash"

    def canonical(self, architecture: Architecture) -> str:
        """The official hash."""
        return NasBench101.hash(architecture)
