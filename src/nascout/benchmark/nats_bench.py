"""NATS-Bench: the topology space, which is NAS-Bench-201's, and the size space."""

from __future__ import annotations

from typing import Any

from nascout.benchmark.converted import ConvertedOnly
from nascout.benchmark.table import benchmark

__all__ = ["NatsSize", "NatsTopology"]

ABOUT: Any = {
    "paper": "arXiv:2009.00437",
    "page": "github.com/D-X-Y/NATS-Bench",
    "licence": "MIT",
}


@benchmark(
    "nats_topology",
    architectures=15_625,
    file="the folder NATS-tss-v1_0-3ffb9-simple or the file of that name, converted",
    **ABOUT,
)
class NatsTopology(ConvertedOnly):
    """15,625 cells after 12 and 200 epochs, up to three seeds each, in percent.

    Data sets and splits as in ``nasbench201``. On CIFAR-100 and ImageNet16-120 ``val`` and
    ``test`` are halves of the original test images; ``val_and_test`` is all of them.
    """

    space: str = "nasbench201"
    accuracy: str = "accuracy/cifar10/test/200/mean"


@benchmark(
    "nats_size",
    architectures=32_768,
    file="the folder NATS-sss-v1_0-50262-simple or the file of that name, converted",
    **ABOUT,
)
class NatsSize(ConvertedOnly):
    """32,768 choices of channels after 1, 12 and 90 epochs, up to three seeds each, in percent."""

    space: str = "nats_size"
    accuracy: str = "accuracy/cifar10/test/90/mean"
