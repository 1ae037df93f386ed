"""NAS-Bench-201: four nodes, six edges, five operations."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from functools import cache
from typing import ClassVar, Final

from nascout.errors import ArchitectureError
from nascout.graph import Builder, Graph, Op
from nascout.graph.ops import AvgPool, Identity, Zero
from nascout.space.architecture import Architecture
from nascout.space.decision import Choice
from nascout.space.relaxation import ByDecision
from nascout.space.skeleton import relu_conv_bn, staged_network
from nascout.space.space import Space, space
from nascout.space.superposition import Superposition, join, partly

__all__ = ["NasBench201"]

EDGES: Final = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OPS: Final = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
DECISIONS: Final = tuple(Choice(f"{i}->{j}", OPS) for i, j in EDGES)
EXAMPLE: Final = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"


@cache
def operation(name: str, channels: int) -> tuple[Op, ...]:
    """The nodes of one edge. ``none`` is x · 0 as in the benchmark: what feeds it still counts."""
    return {
        "none": (Zero(),),
        "skip_connect": (Identity(),),
        "nor_conv_1x1": relu_conv_bn(channels, 1),
        "nor_conv_3x3": relu_conv_bn(channels, 3),
        "avg_pool_3x3": (AvgPool(3),),
    }[name]


@space("nasbench201", paper="arXiv:2001.00326")
class NasBench201(Space):
    """15,625 cells, 6,466 distinct ones, in a skeleton of three stages.

    Args:
        channels: channels of the first stage (C); doubled at each reduction.
        cells: cells per stage (N).
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.

    ``known`` has the residual cell, and the cells of best validation accuracy after 200 epochs
    (on CIFAR-10, of networks trained on half of the training images).

    Notation: ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``; ``op~i`` reads node i.

    Example:
        >>> NasBench201().parse(EXAMPLE).choices["2->3"]
        'avg_pool_3x3'
    """

    known: ClassVar[Mapping[str, str]] = {
        "nasbench201_resnet": "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|"
        "+|skip_connect~0|none~1|skip_connect~2|",
        "nasbench201_best_cifar10": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
        "+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
        "nasbench201_best_cifar100": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
        "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "nasbench201_best_imagenet16": "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_1x1~1|"
        "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    }
    channels: int = 16
    cells: int = 5
    classes: int = 10
    input_shape: tuple[int, int, int] = (3, 32, 32)

    @property
    def decisions(self) -> tuple[Choice, ...]:
        """One of five operations for each edge ``i->j``."""
        return DECISIONS

    def graph(self, architecture: Architecture) -> Graph:
        """The cell in the benchmark's network: stem, 3 x N cells, two residual reductions, head."""

        def cell(g: Builder, x: int, channels: int, key: str) -> int:
            return _cell(g, architecture, x, channels, key)

        return staged_network(
            cell,
            channels=self.channels,
            cells=self.cells,
            classes=self.classes,
            input_shape=self.input_shape,
        )

    def relaxation(self, partial: int = 1) -> ByDecision:
        """Every operation on every edge; with partial channels, nodes weigh their edges too."""
        inputs = tuple(
            Choice(f"{j}_input", tuple(str(i) for i, target in EDGES if target == j))
            for j in (1, 2, 3)
        )
        return ByDecision(self, partial, inputs if partial > 1 else ())

    def picture(self, architecture: Architecture) -> Graph:
        """One cell; edges that carry nothing are left out."""
        g = Builder()
        x = g.input((self.channels, *self.input_shape[1:]), key="in")
        return g.graph(_cell(g, architecture, x, self.channels, key="cell", skip_none=True)).prune()

    def parse(self, text: str) -> Architecture:
        """Read the benchmark's notation.

        Raises:
            ArchitectureError: text of another form, or an unknown operation.
        """
        nodes = [re.findall(r"\|([^|~]+)~(\d+)", node) for node in text.strip().split("+")]
        read = [(int(i), j) for j, node in enumerate(nodes, 1) for _, i in node]
        names = [name for node in nodes for name, _ in node]
        written = "+".join("".join(f"|{name}~{i}" for name, i in node) + "|" for node in nodes)
        if tuple(read) != EDGES or written != text.strip():
            raise ArchitectureError(f"malformed architecture {text!r}", f"Write it like {EXAMPLE}")
        return Architecture(self, tuple(names))

    def format(self, architecture: Architecture) -> str:
        """The benchmark's notation."""
        ops = [f"|{value}~{i}" for (i, _), value in zip(EDGES, architecture.values, strict=True)]
        return f"{ops[0]}|+{''.join(ops[1:3])}|+{''.join(ops[3:])}|"

    @staticmethod
    def unique_string(architecture: Architecture) -> str:
        """The benchmark's canonical string; equal for cells it calls isomorphic (6,466 classes).

        A node is the sorted sum of its edges; ``none``, and anything that reads ``#``, is ``#``; a
        skip is its source. ``#`` stays in sums, so this is finer than functional equality.
        """
        nodes = ["0"]
        for j in (1, 2, 3):
            terms = []
            for (i, target), value in zip(EDGES, architecture.values, strict=True):
                if target == j:
                    source = nodes[i]
                    if value == "none" or source == "#":
                        terms.append("#")
                    elif value == "skip_connect":
                        terms.append(source)
                    else:
                        terms.append(f"({source})@{value}")
            nodes.append("+".join(sorted(terms)))
        return nodes[-1]

    @staticmethod
    def has_signal(architecture: Architecture) -> bool:
        """Whether any path of edges other than ``none`` leads from input to output."""
        reached = {0}
        for (i, j), value in zip(EDGES, architecture.values, strict=True):
            if i in reached and value != "none":
                reached.add(j)
        return 3 in reached


def _cell(
    g: Builder,
    architecture: Architecture,
    x: int,
    channels: int,
    key: str,
    *,
    skip_none: bool = False,
) -> int:
    """Node j is the sum over i < j of edge i->j applied to node i."""
    nodes, terms = [x], []
    for (i, j), value in zip(EDGES, architecture.values, strict=True):
        if value is not None and not (skip_none and value == "none"):
            build = functools.partial(_edge, g)
            terms.append(partly(g, value, build, nodes[i], channels, 1, key=f"{key}/{i}->{j}"))
        if i == j - 1:  # the last edge into node j
            if not terms:
                terms.append(g.node(Zero(), x, key=f"{key}/{j}/none"))
            if isinstance(architecture, Superposition) and architecture.is_partial:
                nodes.append(join(g, terms, f"{j}_input", key=f"{key}/{j}/mixed"))
            else:
                nodes.append(g.add(*terms, key=f"{key}/{j}/sum"))
            terms = []
    return nodes[-1]


def _edge(g: Builder, x: int, channels: int, name: str, key: str) -> int:
    return g.chain(operation(name, channels), x, key)
