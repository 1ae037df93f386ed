"""The network around the modules of TransNAS-Bench-101, micro and macro alike."""

from __future__ import annotations

from collections.abc import Callable

from nascout.graph import Builder, Graph
from nascout.graph.ops import BatchNorm, Conv2d, GlobalAvgPool, Linear
from nascout.space.skeleton import relu_conv_bn

__all__ = ["Block", "module_network"]

Block = Callable[[Builder, int, tuple[int, int], int, str], int]


def module_network(
    block: Block,
    modules: str,
    *,
    channels: int,
    blocks: int,
    classes: int,
    input_shape: tuple[int, int, int],
) -> Graph:
    """A stem that quarters the resolution, modules of ``blocks`` blocks each, a linear classifier.

    A module is a digit: 1 keeps the shape, 2 doubles the channels, 3 halves the resolution, 4
    does both; the first of its blocks does it. ``block(builder, x, channels, stride, key)`` adds
    a block that reads node ``x``, with its channels before and after, and returns its output.
    """
    g = Builder()
    stem = (Conv2d((channels + 1) // 2, 3, 2), BatchNorm(), *relu_conv_bn(channels, 3, 2))
    x = g.chain(stem, g.input(input_shape), key="stem")
    width = channels
    for number, digit in enumerate(modules, 1):
        out = 2 * width if digit in "24" else width
        for index in range(blocks):
            stride = 2 if digit in "34" and index == 0 else 1
            x = block(g, x, (width, out), stride, f"module{number}/block{index}")
            width = out
    return g.graph(g.chain((GlobalAvgPool(), Linear(classes)), x, key="head"))
