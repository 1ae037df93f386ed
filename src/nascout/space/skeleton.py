"""The NAS-Bench-201 skeleton around any cell: stem, three stages, two reductions, head."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from nascout.graph import Builder, Graph, Op
from nascout.graph.ops import AvgPool, BatchNorm, Conv2d, GlobalAvgPool, Linear, ReLU

__all__ = ["head", "reduction", "relu_conv_bn", "staged_network", "stem"]

Cell = Callable[[Builder, int, int, str], int]


@cache
def relu_conv_bn(out: int, kernel: int, stride: int = 1) -> tuple[Op, ...]:
    """The block that the literature calls ReLU-Conv-BN."""
    return ReLU(), Conv2d(out, kernel, stride), BatchNorm()


def staged_network(
    cell: Cell, *, channels: int, cells: int, classes: int, input_shape: tuple[int, int, int]
) -> Graph:
    """Three stages of ``cells`` cells at ``channels``, twice and four times as many channels.

    A residual block of stride 2 stands between stages. ``cell(builder, x, channels, key)`` adds
    one cell that reads node ``x`` and returns its output node.
    """
    g = Builder()
    x = g.chain(stem(channels), g.input(input_shape), key="stem")
    for stage in (1, 2, 3):
        width = channels * 2 ** (stage - 1)
        if stage > 1:
            x = reduction(g, x, width, key=f"stage{stage}/reduction")
        for index in range(cells):
            x = cell(g, x, width, f"stage{stage}/cell{index}")
    return g.graph(g.chain(head(classes), x, key="head"))


@cache
def stem(channels: int) -> tuple[Op, ...]:
    """What turns the image into ``channels`` channels."""
    return Conv2d(channels, 3), BatchNorm()


@cache
def head(classes: int) -> tuple[Op, ...]:
    """What turns the last map into ``classes`` numbers."""
    return BatchNorm(), ReLU(), GlobalAvgPool(), Linear(classes)


@cache
def _shortcut(out: int) -> tuple[Op, ...]:
    # Rounding up only matters for odd sizes, where the official network would not build.
    return AvgPool(2, 2, ceil=True), Conv2d(out, 1)


def reduction(g: Builder, x: int, width: int, key: str) -> int:
    """A residual block of stride 2 that reads node ``x`` and gives ``width`` channels."""
    y = g.chain(relu_conv_bn(width, 3, stride=2), x, key=f"{key}/conv_a")
    y = g.chain(relu_conv_bn(width, 3), y, key=f"{key}/conv_b")
    return g.add(y, g.chain(_shortcut(width), x, key=f"{key}/shortcut"), key=f"{key}/sum")
