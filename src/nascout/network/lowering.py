"""The reading op → torch: one small function per operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.graph.cuts import Blank, Pad, Shift, Shuffle, Truncate
from nascout.graph.gates import Multiply, ReLU6, Sigmoid, SiLU
from nascout.graph.mixing import Mixed, Rest
from nascout.graph.op import Op
from nascout.graph.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    DepthwiseConv2d,
    GlobalAvgPool,
    Identity,
    Linear,
    MaxPool,
    ReLU,
    Zero,
)
from nascout.graph.recurrent import Blend, Hadamard, LeakyReLU, Mean, Tanh
from nascout.graph.shape import Shape

__all__ = ["lower", "lowers"]

O = TypeVar("O", bound=Op)  # noqa: E741
Lowering = Callable[[Any, tuple[Shape, ...]], nn.Module]

_TABLE: dict[type[Op], Lowering] = {}


def lowers(kind: type[O]) -> Callable[[Callable[[O, tuple[Shape, ...]], nn.Module]], Lowering]:
    """Say what module an operation becomes; the function gets the op and its input shapes.

    The module's parameters must carry the names and shapes of ``op.weights``.
    """

    def register(function: Callable[[O, tuple[Shape, ...]], nn.Module]) -> Lowering:
        if kind in _TABLE:
            raise ValueError(f"{kind.__name__} is lowered twice")
        _TABLE[kind] = function
        return function

    return register


def lower(op: Op, inputs: tuple[Shape, ...]) -> nn.Module:
    """The module for ``op``.

    Raises:
        UnsupportedNetwork: an op without a lowering; names it.
    """
    if type(op) not in _TABLE:
        raise UnsupportedNetwork(
            f"the op {type(op).__name__} has no torch module",
            f"Register one with @nascout.network.lowers({type(op).__name__}).",
        )
    return _TABLE[type(op)](op, inputs)


class Sum(nn.Module):
    """The sum of its inputs."""

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        """xs: tensors of one shape."""
        total = xs[0]
        for x in xs[1:]:
            total = total + x
        return total


class Cat(nn.Module):
    """Its inputs side by side along channels."""

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        """xs: tensors of one height and width."""
        return torch.cat(xs, dim=1)


class TimesZero(nn.Module):
    """x · 0, so that what feeds it stays part of the network."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: any tensor."""
        return x * 0


class SpatialMean(nn.Module):
    """(n, c, h, w) to (n, c): the mean over height and width."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (n, c, h, w)."""
        return x.mean(dim=(2, 3))


class Gated(nn.Module):
    """(n, c, h, w) times (n, c)."""

    def forward(self, x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        """x: (n, c, h, w); gate: (n, c)."""
        return x * gate[:, :, None, None]


class Multiplied(nn.Module):
    """The product of its inputs."""

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        """xs: tensors of one shape."""
        product = xs[0]
        for x in xs[1:]:
            product = product * x
        return product


class GatedSum(nn.Module):
    """The sum of its inputs but the first, each times the gate at its place in the first."""

    def __init__(self, places: tuple[int, ...]) -> None:
        super().__init__()
        self.places = places

    def forward(self, gates: torch.Tensor, *xs: torch.Tensor) -> torch.Tensor:
        """gates: (n, gates) or (1, gates); xs: tensors (n, ...) of one shape."""
        one_each = (-1, *[1] * (xs[0].dim() - 1))
        columns = [gates[:, place].reshape(one_each) for place in self.places]
        total = columns[0] * xs[0]
        for gate, x in zip(columns[1:], xs[1:], strict=True):
            total = torch.addcmul(total, gate, x)
        return total


class Averaged(nn.Module):
    """The mean of its inputs."""

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        """xs: tensors of one shape."""
        return torch.stack(xs).mean(0)


class Blended(nn.Module):
    """z · a + (1 - z) · b."""

    def forward(self, z: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """z, a, b: tensors of one shape."""
        return z * a + (1 - z) * b


class FirstChannels(nn.Module):
    """The first ``out`` channels."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.out = out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (n, c, ...), c at least ``out``."""
        return x[:, : self.out]


class LastChannels(nn.Module):
    """All channels but the first ``first``."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (n, c, ...), c more than ``first``."""
        return x[:, self.first :]


class Interleaved(nn.Module):
    """The first channel of every group, then the second of every group, and so on."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (n, c, ...), c a multiple of ``groups``."""
        n, c, *area = x.shape
        return x.reshape(n, self.groups, c // self.groups, *area).transpose(1, 2).flatten(1, 2)


class Zeros(nn.Module):
    """x · 0 in ``out`` channels at a stride, so that what feeds it stays part of the network."""

    def __init__(self, out: int, stride: int) -> None:
        super().__init__()
        self.out, self.stride = out, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (n, c, h, w)."""
        return (x[:, :1, :: self.stride, :: self.stride] * 0).expand(-1, self.out, -1, -1)


@lowers(Conv2d)
def _(op: Conv2d, xs: tuple[Shape, ...]) -> nn.Module:
    return nn.Conv2d(
        xs[0].channels, op.out, op.kernel, op.stride, op.pads, op.dilation, op.groups, op.bias
    )


@lowers(DepthwiseConv2d)
def _(op: DepthwiseConv2d, xs: tuple[Shape, ...]) -> nn.Module:
    c = xs[0].channels
    return nn.Conv2d(c, c, op.kernel, op.stride, op.pads, op.dilation, groups=c, bias=False)


@lowers(Linear)
def _(op: Linear, xs: tuple[Shape, ...]) -> nn.Module:
    return nn.Linear(xs[0].channels, op.out, op.bias)


@lowers(BatchNorm)
def _(op: BatchNorm, xs: tuple[Shape, ...]) -> nn.Module:
    kind = nn.BatchNorm2d if xs[0].is_map else nn.BatchNorm1d
    return kind(xs[0].channels, affine=op.affine)


@lowers(ReLU)
def _(op: ReLU, xs: tuple[Shape, ...]) -> nn.Module:
    return nn.ReLU()


@lowers(ReLU6)
def _(op: ReLU6, xs: tuple[Shape, ...]) -> nn.Module:
    return nn.ReLU6()


@lowers(Identity)
def _(op: Identity, xs: tuple[Shape, ...]) -> nn.Module:
    return nn.Identity()


@lowers(Zero)
def _(op: Zero, xs: tuple[Shape, ...]) -> nn.Module:
    return TimesZero()


@lowers(AvgPool)
def _(op: AvgPool, xs: tuple[Shape, ...]) -> nn.Module:
    return nn.AvgPool2d(op.kernel, op.stride, op.pads, op.ceil, count_include_pad=False)


@lowers(MaxPool)
def _(op: MaxPool, xs: tuple[Shape, ...]) -> nn.Module:
    return nn.MaxPool2d(op.kernel, op.stride, op.pads, ceil_mode=op.ceil)


@lowers(GlobalAvgPool)
def _(op: GlobalAvgPool, xs: tuple[Shape, ...]) -> nn.Module:
    return SpatialMean()


@lowers(Add)
def _(op: Add, xs: tuple[Shape, ...]) -> nn.Module:
    return Sum()


@lowers(Concat)
def _(op: Concat, xs: tuple[Shape, ...]) -> nn.Module:
    return Cat()


@lowers(SiLU)
def _(op: SiLU, xs: tuple[Shape, ...]) -> nn.Module:
    return nn.SiLU()


@lowers(Sigmoid)
def _(op: Sigmoid, xs: tuple[Shape, ...]) -> nn.Module:
    return nn.Sigmoid()


@lowers(Multiply)
def _(op: Multiply, xs: tuple[Shape, ...]) -> nn.Module:
    return Gated()


@lowers(Truncate)
def _(op: Truncate, xs: tuple[Shape, ...]) -> nn.Module:
    return FirstChannels(op.out)


@lowers(Shift)
def _(op: Shift, xs: tuple[Shape, ...]) -> nn.Module:
    return nn.ZeroPad2d((-1, 1, -1, 1))


@lowers(Shuffle)
def _(op: Shuffle, xs: tuple[Shape, ...]) -> nn.Module:
    return Interleaved(op.groups)


@lowers(Pad)
def _(op: Pad, xs: tuple[Shape, ...]) -> nn.Module:
    return nn.ZeroPad2d((0, op.width - xs[0].width, 0, op.height - xs[0].height))


@lowers(Blank)
def _(op: Blank, xs: tuple[Shape, ...]) -> nn.Module:
    return Zeros(op.out, op.stride)


@lowers(Tanh)
def _(op: Tanh, xs: tuple[Shape, ...]) -> nn.Module:
    return nn.Tanh()


@lowers(LeakyReLU)
def _(op: LeakyReLU, xs: tuple[Shape, ...]) -> nn.Module:
    return nn.LeakyReLU()


@lowers(Hadamard)
def _(op: Hadamard, xs: tuple[Shape, ...]) -> nn.Module:
    return Multiplied()


@lowers(Mixed)
def _(op: Mixed, xs: tuple[Shape, ...]) -> nn.Module:
    return GatedSum(op.gates)


@lowers(Rest)
def _(op: Rest, xs: tuple[Shape, ...]) -> nn.Module:
    return LastChannels(op.first)


@lowers(Mean)
def _(op: Mean, xs: tuple[Shape, ...]) -> nn.Module:
    return Averaged()


@lowers(Blend)
def _(op: Blend, xs: tuple[Shape, ...]) -> nn.Module:
    return Blended()
