"""NATS-Bench's size space: how wide each part of one fixed network is."""

from __future__ import annotations

import re
from typing import Final

from nascout.errors import ArchitectureError
from nascout.graph import Builder, Graph
from nascout.space.architecture import Architecture
from nascout.space.conv_block import conv_bn
from nascout.space.decision import Choice
from nascout.space.nasbench201 import EDGES, operation
from nascout.space.skeleton import head, reduction, stem
from nascout.space.space import Space, space

__all__ = ["NatsSize"]

#: The cell of every record of the benchmark, in NAS-Bench-201's order of edges.
CELL: Final = (*("nor_conv_3x3",) * 3, "skip_connect", *("nor_conv_3x3",) * 2)
WIDTHS: Final = tuple(str(width) for width in range(8, 65, 8))
DECISIONS: Final = tuple(Choice(f"channels{i}", WIDTHS) for i in range(1, 6))
EXAMPLE: Final = "8:16:24:32:40"


@space("nats_size", paper="arXiv:2009.00437")
class NatsSize(Space):
    """32,768 widths of one network: five groups of 8, 16, ... or 64 channels.

    The first group is the stem and a cell, the second a residual block of stride 2, the third a
    cell, the fourth a block, the fifth a cell. The cell is NAS-Bench-201's most accurate on
    CIFAR-100; where it changes the width, what reads its input does so, the skip by a 1x1
    convolution and normalisation. At the default sizes, and at 100 and 120 classes, params and
    MACs are those of the benchmark's records.

    Args:
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample; (3, 16, 16) for ImageNet16-120.

    Notation: the widths, such as ``8:16:24:32:40``.

    Example:
        >>> NatsSize().parse("8:16:24:32:40").choices["channels3"]
        '24'
    """

    classes: int = 10
    input_shape: tuple[int, int, int] = (3, 32, 32)

    @property
    def decisions(self) -> tuple[Choice, ...]:
        """One of eight widths for each group."""
        return DECISIONS

    def graph(self, architecture: Architecture) -> Graph:
        """Stem and cell, twice a residual block of stride 2 and a cell, head."""
        widths = [int(value or 0) for value in architecture.values]
        g = Builder()
        x = g.chain(stem(widths[0]), g.input(self.input_shape), key="stem")
        x = _cell(g, x, (widths[0], widths[0]), key="stage1/cell0")
        for stage, (block, cell) in enumerate((widths[1:3], widths[3:5]), 2):
            x = reduction(g, x, block, key=f"stage{stage}/reduction")
            x = _cell(g, x, (block, cell), key=f"stage{stage}/cell0")
        return g.graph(g.chain(head(self.classes), x, key="head"))

    def parse(self, text: str) -> Architecture:
        """Read the benchmark's notation.

        Raises:
            ArchitectureError: not five numbers, or a width that is not of the space.
        """
        if not re.fullmatch(r"\d+(:\d+){4}", text.strip(), re.ASCII):
            raise ArchitectureError(f"malformed architecture {text!r}", f"Write it like {EXAMPLE}")
        return Architecture(self, tuple(text.strip().split(":")))

    def format(self, architecture: Architecture) -> str:
        """The benchmark's notation."""
        return ":".join(value or "" for value in architecture.values)


def _cell(g: Builder, x: int, channels: tuple[int, int], key: str) -> int:
    c_in, c_out = channels
    nodes = [x]
    for j in (1, 2, 3):
        terms = []
        for (i, target), name in zip(EDGES, CELL, strict=True):
            if target == j:
                widens = name == "skip_connect" and i == 0 and c_in != c_out
                ops = conv_bn(c_out, activation=None) if widens else operation(name, c_out)
                terms.append(g.chain(ops, nodes[i], key=f"{key}/{i}->{j}/{name}"))
        nodes.append(g.add(*terms, key=f"{key}/{j}/sum"))
    return nodes[-1]
