"""TransNAS-Bench-101, micro: the cell of NAS-Bench-201 without pooling, in five modules."""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from nascout.errors import ArchitectureError
from nascout.graph import Builder, Graph, Op
from nascout.graph.cuts import Blank, Shift
from nascout.graph.ops import BatchNorm, Conv2d, Identity, ReLU, Zero
from nascout.space.architecture import Architecture
from nascout.space.decision import Choice
from nascout.space.relaxation import ByDecision, need_whole
from nascout.space.skeleton import relu_conv_bn
from nascout.space.space import Space, space
from nascout.space.superposition import pick
from nascout.space.transnasbench101 import module_network

__all__ = ["TransNasBench101Micro"]

EDGES: Final = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OPS: Final = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
DECISIONS: Final = tuple(Choice(f"{i}->{j}", OPS) for i, j in EDGES)
MODULES: Final = "41414"


@space("transnasbench101_micro", paper="arXiv:2105.11871")
class TransNasBench101Micro(Space):
    """4,096 cells of four nodes and six edges, as in NAS-Bench-201 but without pooling.

    Five modules of two cells each; the first cell of modules 1, 3 and 5 doubles the channels and
    halves the resolution, on the edges that leave its input. A skip there is the factorized
    reduction of the benchmark: ReLU, two 1x1 convolutions of stride 2 that read the even and the
    odd positions, side by side, normalisation. The wiring is that of the released code.

    Deviations: the table gives neither params nor MACs, so they are not checked against it.
    Jigsaw's nine pieces and room_layout's regression have heads of their own in the benchmark;
    here one image is classified. ``none`` keeps its input, at times zero, where it changes the
    shape.

    Args:
        channels: channels after the stem; the ``64`` of the notation is the benchmark's name for
            its own 64 and is written at any size.
        cells: cells per module.
        classes: outputs of the classifier; 47 for class_scene.
        input_shape: channels, height and width of one sample.

    Notation: ``64-41414-1_02_333``: the operations into nodes 1, 2 and 3, each from node 0 on;
    0 none, 1 skip_connect, 2 nor_conv_1x1, 3 nor_conv_3x3.

    Example:
        >>> TransNasBench101Micro().parse("64-41414-1_02_333").choices["1->2"]
        'nor_conv_1x1'
    """

    channels: int = 64
    cells: int = 2
    classes: int = 47
    input_shape: tuple[int, int, int] = (3, 256, 256)

    @property
    def decisions(self) -> tuple[Choice, ...]:
        """One of four operations for each edge ``i->j``."""
        return DECISIONS

    def graph(self, architecture: Architecture) -> Graph:
        """The cell in the benchmark's network: stem, five modules, classifier."""

        def block(g: Builder, x: int, channels: tuple[int, int], stride: int, key: str) -> int:
            return _cell(g, architecture, x, channels, stride, key)

        return module_network(
            block,
            MODULES,
            channels=self.channels,
            blocks=self.cells,
            classes=self.classes,
            input_shape=self.input_shape,
        )

    def relaxation(self, partial: int = 1) -> ByDecision:
        """Every operation on every edge."""
        return ByDecision(self, need_whole(self, partial))

    def picture(self, architecture: Architecture) -> Graph:
        """One cell that keeps its shape; edges that carry nothing are left out."""
        g = Builder()
        x = g.input((self.channels, *self.input_shape[1:]), key="in")
        same = (self.channels, self.channels)
        return g.graph(_cell(g, architecture, x, same, 1, "cell", skip_none=True)).prune()

    def parse(self, text: str) -> Architecture:
        """Read the benchmark's notation.

        Raises:
            ArchitectureError: text of another form.
        """
        match = re.fullmatch(rf"64-{MODULES}-([0-3])_([0-3]{{2}})_([0-3]{{3}})", text.strip())
        if match is None:
            raise ArchitectureError(
                f"malformed architecture {text!r}",
                f"Write it like 64-{MODULES}-1_02_333, with digits from 0 to 3.",
            )
        return Architecture(self, tuple(OPS[int(digit)] for digit in "".join(match.groups())))

    def format(self, architecture: Architecture) -> str:
        """The benchmark's notation."""
        digits = "".join(str(OPS.index(value)) for value in architecture.values if value)
        return f"64-{MODULES}-{digits[0]}_{digits[1:3]}_{digits[3:]}"


def _cell(
    g: Builder,
    architecture: Architecture,
    x: int,
    channels: tuple[int, int],
    stride: int,
    key: str,
    *,
    skip_none: bool = False,
) -> int:
    """Node j is the sum over i < j of edge i->j; edges that leave node 0 change the shape."""
    nodes = [x]
    for j in (1, 2, 3):
        terms = []
        for (i, target), op in zip(EDGES, architecture.values, strict=True):
            if target == j and op is not None and not (skip_none and op == "none"):
                into = channels if i == 0 else (channels[1], channels[1])
                build = partial(_edge, g, nodes[i], into, stride if i == 0 else 1)
                terms.append(pick(g, op, build, key=f"{key}/{i}->{j}"))
        if not terms:
            terms.append(g.node(Zero(), x, key=f"{key}/{j}/none"))
        nodes.append(g.add(*terms, key=f"{key}/{j}/sum"))
    return nodes[-1]


def _edge(g: Builder, x: int, channels: tuple[int, int], stride: int, op: str, key: str) -> int:
    c_in, c_out = channels
    same = stride == 1 and c_in == c_out
    if op == "skip_connect" and not same:
        return _factorized_reduction(g, x, c_out, stride, key)
    ops: dict[str, tuple[Op, ...]] = {
        "none": (Zero() if same else Blank(c_out, stride),),
        "skip_connect": (Identity(),),
        "nor_conv_1x1": relu_conv_bn(c_out, 1, stride),
        "nor_conv_3x3": relu_conv_bn(c_out, 3, stride),
    }
    return g.chain(ops[op], x, key=key)


def _factorized_reduction(g: Builder, x: int, out: int, stride: int, key: str) -> int:
    x = g.node(ReLU(), x, key=f"{key}/relu")
    shifted = g.node(Shift(), x, key=f"{key}/shift")
    halves = (
        g.node(Conv2d(out // 2, 1, stride), x, key=f"{key}/even"),
        g.node(Conv2d(out - out // 2, 1, stride), shifted, key=f"{key}/odd"),
    )
    return g.node(BatchNorm(), g.concat(*halves, key=f"{key}/concat"), key=f"{key}/batchnorm")
