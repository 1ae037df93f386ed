"""What stands on an edge of a cell: the operations of NASNet, DARTS and their relatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Final

from nascout.graph import Builder, Op
from nascout.graph.cuts import Shift
from nascout.graph.ops import (
    AvgPool,
    BatchNorm,
    Conv2d,
    DepthwiseConv2d,
    Identity,
    MaxPool,
    ReLU,
)
from nascout.space.conv_block import conv_bn
from nascout.space.skeleton import relu_conv_bn

__all__ = ["OPERATIONS", "factorized_reduction", "operation"]


@cache
def operation(name: str, channels: int, width: int, stride: int) -> tuple[Op, ...]:
    """The nodes of an operation that reads ``channels`` and gives ``width`` channels.

    A convolution is ReLU-conv-BN. A separable one is applied twice, a dilated one, also
    separable, once; between the filters of each channel and the 1x1 convolution stands nothing.
    ``conv_7x1_1x7`` is 1x7, then 7x1. Only the first filter has the stride. A pool is followed
    by a 1x1 convolution and normalisation where it does not give ``width`` channels, and so is an
    identity, behind a ReLU, there and at a stride.
    """
    return OPERATIONS[name](channels, width, stride)


def factorized_reduction(g: Builder, x: int, width: int, key: str, *, relu: bool = True) -> int:
    """Half the resolution: 1x1 convolutions of stride 2 on the even and on the odd positions.

    They give half of ``width`` channels each and are normalised together. Where a size is odd,
    zeros stand for the odd positions that are missing.
    """
    if relu:
        x = g.node(ReLU(), x, key=f"{key}/relu")
    halves = [g.node(Conv2d(width - width // 2, 1, 2), x, key=f"{key}/even")]
    if width > 1:
        shifted = g.node(Shift(), x, key=f"{key}/shift")
        halves.append(g.node(Conv2d(width // 2, 1, 2), shifted, key=f"{key}/odd"))
    return g.node(BatchNorm(), g.concat(*halves, key=f"{key}/concat"), key=f"{key}/batchnorm")


def _skip(channels: int, width: int, stride: int) -> tuple[Op, ...]:
    return (Identity(),) if (channels, stride) == (width, 1) else relu_conv_bn(width, 1, stride)


def _separable(kernel: int, channels: int, width: int, stride: int) -> tuple[Op, ...]:
    first, second = (
        (ReLU(), DepthwiseConv2d(kernel, step), Conv2d(width, 1), BatchNorm())
        for step in (stride, 1)
    )
    return *first, *second


def _dilated(kernel: int, channels: int, width: int, stride: int) -> tuple[Op, ...]:
    filters = DepthwiseConv2d(kernel, stride, dilation=2)
    return ReLU(), filters, Conv2d(width, 1), BatchNorm()


def _conv(kernel: int, channels: int, width: int, stride: int) -> tuple[Op, ...]:
    return relu_conv_bn(width, kernel, stride)


def _factorized(kernel: int, channels: int, width: int, stride: int) -> tuple[Op, ...]:
    row, column = Conv2d(width, (1, kernel), (1, stride)), Conv2d(width, (kernel, 1), (stride, 1))
    return ReLU(), row, column, BatchNorm()


def _pool(
    kind: type[AvgPool] | type[MaxPool], kernel: int, channels: int, width: int, stride: int
) -> tuple[Op, ...]:
    fit = () if channels == width else conv_bn(width, activation=None)
    return kind(kernel, stride), *fit


OPERATIONS: Final[Mapping[str, Callable[[int, int, int], tuple[Op, ...]]]] = {
    "skip_connect": _skip,
    "conv_1x1": partial(_conv, 1),
    "conv_3x3": partial(_conv, 3),
    "conv_3x1_1x3": partial(_factorized, 3),
    "conv_7x1_1x7": partial(_factorized, 7),
    "sep_conv_3x3": partial(_separable, 3),
    "sep_conv_5x5": partial(_separable, 5),
    "sep_conv_7x7": partial(_separable, 7),
    "dil_conv_3x3": partial(_dilated, 3),
    "dil_conv_5x5": partial(_dilated, 5),
    "avg_pool_3x3": partial(_pool, AvgPool, 3),
    "max_pool_3x3": partial(_pool, MaxPool, 3),
    "max_pool_5x5": partial(_pool, MaxPool, 5),
    "max_pool_7x7": partial(_pool, MaxPool, 7),
}
