"""NDS: models drawn from the design spaces of published searches."""

from __future__ import annotations

from nascout.benchmark.converted import ConvertedOnly
from nascout.benchmark.table import benchmark

__all__ = ["Nds"]


@benchmark(
    "nds",
    paper="arXiv:1905.13214",
    file="one of its JSON files, such as DARTS.json or ENAS_in.json, converted",
    page="github.com/facebookresearch/nds",
    licence="MIT",
)
class Nds(ConvertedOnly):
    """Thousands of models per file, each trained once; top-1 accuracy in percent.

    An architecture is the file's own description of a network in compact JSON with sorted keys.
    The files report test errors after every epoch; ``accuracy`` is 100 minus the last one. There
    is no validation split.
    """

    space: str = ""
    accuracy: str = "accuracy/test"
