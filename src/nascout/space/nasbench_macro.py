"""NAS-Bench-Macro: eight layers, each an identity or one of two inverted residual blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Final

from nascout.errors import ArchitectureError
from nascout.graph import Builder, Graph
from nascout.graph.ops import GlobalAvgPool, Linear
from nascout.space.architecture import Architecture
from nascout.space.conv_block import conv_bn
from nascout.space.decision import Choice
from nascout.space.inverted_residual import inverted_residual
from nascout.space.relaxation import ByDecision, need_whole
from nascout.space.space import Space, space
from nascout.space.superposition import pick

__all__ = ["NasBenchMacro"]

OPS: Final = ("identity", "mb3_k3", "mb6_k5")
STAGES: Final = (2, 3, 3)
DECISIONS: Final = tuple(Choice(f"layer{i}", OPS) for i in range(sum(STAGES)))


@space("nasbench_macro", paper="arXiv:2103.11922")
class NasBenchMacro(Space):
    """6,561 chains of eight layers in three stages of 2, 3 and 3.

    A layer is an identity, an inverted residual of expansion 3 with 3x3 filters, or one of
    expansion 6 with 5x5 filters. The first layer of each stage halves the resolution and doubles
    the channels; an identity there is a 1x1 convolution of stride 2 with normalisation.

    At the default sizes ``params`` is the benchmark's column, and ``macs`` its ``flops`` plus the
    10 of the classifier's bias, which the benchmark leaves out.

    Args:
        channels: channels of the stem, doubled by each stage; before the classifier there are
            40 times as many.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.

    Notation: one digit per layer, in the order of ``identity``, ``mb3_k3``, ``mb6_k5``.

    Example:
        >>> NasBenchMacro().parse("22212220").choices["layer3"]
        'mb3_k3'
    """

    known: ClassVar[Mapping[str, str]] = {"nasbench_macro_best": "22212220"}
    channels: int = 32
    classes: int = 10
    input_shape: tuple[int, int, int] = (3, 32, 32)

    @property
    def decisions(self) -> tuple[Choice, ...]:
        """One of three operations for each layer."""
        return DECISIONS

    def graph(self, architecture: Architecture) -> Graph:
        """Stem, three stages, a 1x1 convolution to 40 times the stem's channels, classifier."""
        g = Builder()
        width = self.channels
        x = g.chain(conv_bn(width, 3), g.input(self.input_shape), key="stem")
        values = iter(architecture.values)
        for stage, layers in enumerate(STAGES, 1):
            for layer in range(layers):
                stride, out = (2, 2 * width) if layer == 0 else (1, width)
                value, key = next(values) or "", f"stage{stage}/layer{layer}"
                x = _layer(g, x, value, (width, out), stride, key)
                width = out
        head = (*conv_bn(40 * self.channels), GlobalAvgPool(), Linear(self.classes))
        return g.graph(g.chain(head, x, key="head"))

    def relaxation(self, partial: int = 1) -> ByDecision:
        """Every operation in every layer."""
        return ByDecision(self, need_whole(self, partial))

    def parse(self, text: str) -> Architecture:
        """Read the benchmark's notation.

        Raises:
            ArchitectureError: not eight digits from 0 to 2.
        """
        if not re.fullmatch(r"[012]{8}", text.strip(), re.ASCII):
            raise ArchitectureError(
                f"malformed architecture {text!r}",
                "Write eight digits, such as 22212220: 0 identity, 1 mb3_k3, 2 mb6_k5.",
            )
        return Architecture(self, tuple(OPS[int(digit)] for digit in text.strip()))

    def format(self, architecture: Architecture) -> str:
        """The benchmark's notation."""
        return "".join(str(OPS.index(value)) for value in architecture.values if value)


def _layer(g: Builder, x: int, op: str, channels: tuple[int, int], stride: int, key: str) -> int:
    return pick(g, op, partial(_operation, g, x, channels, stride), key, alone=key)


def _operation(
    g: Builder, x: int, channels: tuple[int, int], stride: int, op: str, key: str
) -> int:
    if op == "identity":
        projection = conv_bn(channels[1], 1, stride, None) if stride > 1 else ()
        return g.chain(projection, x, key=f"{key}/projection")
    expansion, kernel = (3, 3) if op == "mb3_k3" else (6, 5)
    return inverted_residual(
        g, x, channels, expansion=expansion, kernel=kernel, stride=stride, key=key
    )
