"""The reading op → many networks at once: what runs together, what runs faster than a module."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascout.graph.cuts import Pad, Shift, Shuffle, Truncate
from nascout.graph.gates import Multiply, ReLU6, Sigmoid, SiLU
from nascout.graph.op import Op
from nascout.graph.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    DepthwiseConv2d,
    GlobalAvgPool,
    Linear,
    MaxPool,
    ReLU,
)
from nascout.graph.window import pair
from nascout.network.batch_statistics import EPSILON, batch_norm

__all__ = ["TOGETHER", "add", "run", "runs"]

O = TypeVar("O", bound=Op)  # noqa: E741
Run = Callable[[Any, nn.Module, Sequence[Tensor], int, bool], Tensor]

_TABLE: dict[type[Op], Run] = {}


# What can run on the samples of several networks in one call.
TOGETHER: Final[set[type[Op]]] = {
    *(Add, AvgPool, BatchNorm, Concat, Conv2d, DepthwiseConv2d, GlobalAvgPool, Linear, MaxPool),
    *(Multiply, Pad, ReLU, ReLU6, Shift, Shuffle, Sigmoid, SiLU, Truncate),
}


def runs(kind: type[O]) -> Callable[[Run], Run]:
    """Say how an operation runs in train mode.

    The function gets the op, its module, its inputs, of how many networks they hold the samples,
    one network's after the other's, and whether the first of them may be overwritten.
    """

    def register(function: Run) -> Run:
        _TABLE[kind] = function
        return function

    return register


def run(op: Op, module: nn.Module, inputs: Sequence[Tensor], networks: int, spare: bool) -> Tensor:
    """The value of ``op``: by its entry in the table, or by its module."""
    if type(op) in _TABLE:
        return _TABLE[type(op)](op, module, inputs, networks, spare)
    value: Tensor = module(*inputs)
    # What shares memory with an input would change when that is overwritten.
    shared = value._is_view() or any(value is x for x in inputs)
    return value.clone() if shared else value


@runs(ReLU)
def _(op: ReLU, module: nn.Module, inputs: Sequence[Tensor], networks: int, spare: bool) -> Tensor:
    (x,) = inputs
    if x.dtype == torch.bfloat16 and x.device.type == "cpu" and not x.requires_grad:
        # Its sign is that of its bits read as an integer, which needs no change of type.
        bits = x.view(torch.int16)
        return (bits.clamp_min_(0) if spare else bits.clamp_min(0)).view(x.dtype)
    return x.relu_() if spare else x.relu()


def add(terms: Sequence[Tensor], spare: bool) -> Tensor:
    """The sum of at least two; the first may be overwritten if it is spare."""
    first, second, *rest = terms
    total = first.add_(second) if spare else first + second
    for x in rest:
        total += x
    return total


@runs(Add)
def _(op: Add, module: nn.Module, inputs: Sequence[Tensor], networks: int, spare: bool) -> Tensor:
    return add(inputs, spare)


@runs(BatchNorm)
def _(
    op: BatchNorm, module: nn.Module, inputs: Sequence[Tensor], networks: int, spare: bool
) -> Tensor:
    # Fresh scales are ones and fresh shifts zeros.
    (x,) = inputs
    if networks == 1:
        return batch_norm(x, spare)
    apart = x.view(networks, -1, *x.shape[1:])
    dims = tuple(d for d in range(1, apart.dim()) if d != 2)
    wide = apart if x.dtype == torch.float64 else apart.float()
    centred = wide - wide.mean(dims, keepdim=True)
    scale = (centred.square().mean(dims, keepdim=True) + EPSILON).rsqrt()
    normal: Tensor = (centred * scale).to(x.dtype).view_as(x)
    return normal


@runs(AvgPool)
def _(
    op: AvgPool, module: nn.Module, inputs: Sequence[Tensor], networks: int, spare: bool
) -> Tensor:
    """On the CPU, a depthwise convolution with equal weights is several times faster."""
    (x,) = inputs
    kernel = pair(op.kernel)
    if _is_cut(op, x) or x.device.type != "cpu" or x.dtype == torch.float64:
        value: Tensor = module(x)
        return value
    weight = x.new_full((x.shape[1], 1, *kernel), 1 / (kernel[0] * kernel[1]))
    y = F.conv2d(x, weight, None, op.stride, op.pads, groups=x.shape[1])
    # Padding does not count in the mean: windows at the border have fewer terms.
    for dim, size, stride, pad in zip((2, 3), kernel, pair(op.stride), op.pads, strict=True):
        shorter = defaultdict(list)
        for i in range(y.shape[dim]):
            start = i * stride - pad
            inside = min(start + size, x.shape[dim]) - max(start, 0)
            if inside < size:
                shorter[inside].append(i)
        for inside, (first, *others) in shorter.items():
            # One at either end, or a run of neighbours.
            step = (others[-1] - first) // len(others) if others else 1
            end = first + step * len(others) + 1
            y.transpose(0, dim)[first:end:step].mul_(size / inside)
    return y


def _is_cut(op: AvgPool, x: Tensor) -> bool:
    """Whether rounding up adds windows that stick out beyond the padding."""
    sides = zip(x.shape[2:], pair(op.kernel), pair(op.stride), op.pads, strict=True)
    return op.ceil and any((side + 2 * pad - size) % step for side, size, step, pad in sides)
