"""The networks around cells of two inputs: stems for small and large images, heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nascout.graph import Builder, Graph, Op
from nascout.graph.ops import AvgPool, BatchNorm, Conv2d, GlobalAvgPool, Linear, ReLU
from nascout.space.conv_block import conv_bn
from nascout.space.two_input_cell import Project, Skip, State, cell_inputs

__all__ = ["Conventions", "Sizes", "cell_network"]

MakeCell = Callable[[Builder, Sequence[State], int, int, str], State]

STEM = 32  # channels of NASNet's stem for large images


@dataclass(frozen=True)
class Conventions:
    """In what the released networks differ, apart from their cells.

    Args:
        skip: what an identity at a stride becomes; see :func:`cell_output`.
        project: how a cell's inputs are made to fit; see :func:`cell_inputs`.
        reducing_stem: whether large images pass one convolution of stride 2 and two reduction
            cells, at a quarter and half of the width, rather than three convolutions of stride 2.
            In such networks the first cell has no h[k-2], for small images neither.
        auxiliary_after: the cell behind which the auxiliary head stands, counted from the second
            reduction.
        final_relu: whether a ReLU stands before the last pooling.
        final_bias: whether the classifiers have a bias.
    """

    skip: Skip
    project: Project
    reducing_stem: bool
    auxiliary_after: int
    final_relu: bool
    final_bias: bool = True


@dataclass(frozen=True)
class Sizes:
    """Channels of the first cells, number of cells, stem, heads, and one sample's shape."""

    width: int
    layers: int
    stem_multiplier: int
    imagenet_stem: bool
    auxiliary: bool
    classes: int
    input_shape: tuple[int, int, int]


def cell_network(cell: MakeCell, rules: Conventions, sizes: Sizes) -> Graph:
    """Stem, ``layers`` cells, classifier, and the auxiliary head as a second output if asked.

    Cells ``layers // 3`` and ``2 * layers // 3`` reduce: they halve the resolution and double
    the channels. ``cell(builder, inputs, width, stride, key)`` adds one on top of its two inputs
    and returns its output.
    """
    g = Builder()

    def add(before: State | None, x: State, width: int, stride: int, key: str) -> State:
        return cell(g, cell_inputs(g, before, x, width, rules.project, key), width, stride, key)

    before, x = _stem(g, rules, sizes)
    width = sizes.width
    if sizes.imagenet_stem and rules.reducing_stem:
        for part in (4, 2):
            before, x = x, add(before, x, max(1, width // part), 2, f"stem/cell{part}")
    reductions = (sizes.layers // 3, 2 * sizes.layers // 3)
    with_head = min(max(0, reductions[1] + rules.auxiliary_after), sizes.layers - 1)
    last = (GlobalAvgPool(), Linear(sizes.classes, rules.final_bias))
    outputs = []
    for index in range(sizes.layers):
        stride = 2 if index in reductions else 1
        width *= stride
        before, x = x, add(before, x, width, stride, f"cell{index}")
        if sizes.auxiliary and index == with_head:
            large = sizes.imagenet_stem and not rules.reducing_stem
            outputs.append(_auxiliary_head(g, x.node, last, stride=2 if large else 3))
    head = (ReLU(), *last) if rules.final_relu else last
    return g.graph(g.chain(head, x.node, key="head"), *outputs)


def _stem(g: Builder, rules: Conventions, sizes: Sizes) -> tuple[State | None, State]:
    """h[k-2] and h[k-1] of the first cell."""
    x = g.input(sizes.input_shape)
    if not sizes.imagenet_stem:
        out = sizes.stem_multiplier * sizes.width
        first = State(g.chain(conv_bn(out, 3, activation=None), x, key="stem"), out, 0)
        return (None if rules.reducing_stem else first), first
    if rules.reducing_stem:
        out = sizes.stem_multiplier * STEM
        return None, State(
            g.chain((Conv2d(out, 3, 2, padding=0), BatchNorm()), x, key="stem"), out, 1
        )
    half = (*conv_bn(max(1, sizes.width // 2), 3, 2), *conv_bn(sizes.width, 3, 2, None))
    first = State(g.chain(half, x, key="stem0"), sizes.width, 2)
    x = g.chain((ReLU(), *conv_bn(sizes.width, 3, 2, None)), first.node, key="stem1")
    return first, State(x, sizes.width, 3)


def _auxiliary_head(g: Builder, x: int, last: Sequence[Op], stride: int) -> int:
    """Pool, 1x1 to 128 channels, a convolution over the whole map to 768, classifier."""
    _, height, width = g.graph(x).shapes[x]
    window = (min(5, height), min(5, width))
    x = g.chain((ReLU(), AvgPool(window, stride, padding=0)), x, key="auxiliary/pool")
    x = g.chain(conv_bn(128), x, key="auxiliary/project")
    _, height, width = g.graph(x).shapes[x]
    whole = (Conv2d(768, (height, width), padding=0), BatchNorm(), ReLU())
    x = g.chain(whole, x, key="auxiliary/whole")
    return g.chain(last, x, key="auxiliary/head")
