"""The reading op → source text: one small function per operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from nascout.errors import UnsupportedNetwork
from nascout.graph.cuts import Blank, Pad, Shift, Shuffle, Truncate
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
    Identity,
    Linear,
    MaxPool,
    ReLU,
    Size,
    Zero,
    pair,
)
from nascout.graph.recurrent import Blend, Hadamard, LeakyReLU, Mean, Tanh
from nascout.graph.shape import Shape

__all__ = ["Formula", "Layer", "Width", "code_of", "prints"]

O = TypeVar("O", bound=Op)  # noqa: E741
Width = Callable[[int], str]


@dataclass(frozen=True)
class Layer:
    """Modules applied one after the other: the Python expressions that make them.

    The first one holds the op's tensors, under the names of the op's torch module.
    """

    modules: tuple[str, ...]


@dataclass(frozen=True)
class Formula:
    """An expression without tensors of its own: a function from operands' names to text."""

    text: Callable[..., str]


Printer = Callable[[Any, tuple[Shape, ...], Width], Layer | Formula]

_TABLE: dict[type[Op], Printer] = {}


def prints(kind: type[O]) -> Callable[[Printer], Printer]:
    """Say how an operation is written as source.

    The function gets the op, its input shapes and ``width``, and returns a :class:`Layer` or a
    :class:`Formula`. Write a channel count as ``width(count)``: it gives the number, or the name
    of the parameter in a class that serves several widths. Write other attributes with ``repr``.
    """

    def register(function: Printer) -> Printer:
        if kind in _TABLE:
            raise ValueError(f"{kind.__name__} is printed twice")
        _TABLE[kind] = function
        return function

    return register


def code_of(op: Op, inputs: tuple[Shape, ...], width: Width) -> Layer | Formula:
    """The source of ``op`` on ``inputs``.

    Raises:
        UnsupportedNetwork: an op without a printer; names it.

    >>> code_of(Linear(10), (Shape((64,)),), str)
    Layer(modules=('nn.Linear(64, 10)',))
    """
    if type(op) not in _TABLE:
        raise UnsupportedNetwork(
            f"the op {type(op).__name__} has no source",
            f"Register one with @nascout.network.prints({type(op).__name__}).",
        )
    return _TABLE[type(op)](op, inputs, width)


def _size(size: Size) -> int | tuple[int, int]:
    """A square size as one number."""
    height, width = pair(size)
    return height if height == width else (height, width)


def _options(**options: tuple[object, object]) -> str:
    """``, name=value`` for each option whose value is not its default."""
    return "".join(f", {k}={v!r}" for k, (v, default) in options.items() if v != default)


def _window(op: Conv2d | DepthwiseConv2d) -> str:
    return _options(
        stride=(_size(op.stride), 1), padding=(_size(op.pads), 0), dilation=(_size(op.dilation), 1)
    )


@prints(Conv2d)
def _(op: Conv2d, xs: tuple[Shape, ...], width: Width) -> Layer:
    rest = _window(op) + _options(groups=(op.groups, 1), bias=(bool(op.bias), True))
    widths = f"{width(xs[0].channels)}, {width(op.out)}"
    return Layer((f"nn.Conv2d({widths}, {_size(op.kernel)!r}{rest})",))


@prints(DepthwiseConv2d)
def _(op: DepthwiseConv2d, xs: tuple[Shape, ...], width: Width) -> Layer:
    c = width(xs[0].channels)
    rest = f"{_window(op)}, groups={c}, bias=False"
    return Layer((f"nn.Conv2d({c}, {c}, {_size(op.kernel)!r}{rest})",))


@prints(Linear)
def _(op: Linear, xs: tuple[Shape, ...], width: Width) -> Layer:
    rest = _options(bias=(bool(op.bias), True))
    return Layer((f"nn.Linear({width(xs[0].channels)}, {width(op.out)}{rest})",))


@prints(BatchNorm)
def _(op: BatchNorm, xs: tuple[Shape, ...], width: Width) -> Layer:
    kind = "BatchNorm2d" if xs[0].is_map else "BatchNorm1d"
    rest = _options(affine=(bool(op.affine), True))
    return Layer((f"nn.{kind}({width(xs[0].channels)}{rest})",))


@prints(ReLU)
def _(op: ReLU, xs: tuple[Shape, ...], width: Width) -> Layer:
    return Layer(("nn.ReLU()",))


@prints(ReLU6)
def _(op: ReLU6, xs: tuple[Shape, ...], width: Width) -> Layer:
    return Layer(("nn.ReLU6()",))


@prints(Identity)
def _(op: Identity, xs: tuple[Shape, ...], width: Width) -> Formula:
    return Formula(lambda x: x)


@prints(Zero)
def _(op: Zero, xs: tuple[Shape, ...], width: Width) -> Formula:
    return Formula(lambda x: f"{x} * 0")


@prints(AvgPool)
def _(op: AvgPool, xs: tuple[Shape, ...], width: Width) -> Layer:
    # The stride is always written: torch's default is the kernel, ours is 1.
    rest = _options(padding=(_size(op.pads), 0), ceil_mode=(bool(op.ceil), False))
    if op.pads != (0, 0):
        rest += ", count_include_pad=False"
    return Layer((f"nn.AvgPool2d({_size(op.kernel)!r}, stride={_size(op.stride)!r}{rest})",))


@prints(MaxPool)
def _(op: MaxPool, xs: tuple[Shape, ...], width: Width) -> Layer:
    rest = _options(padding=(_size(op.pads), 0), ceil_mode=(bool(op.ceil), False))
    return Layer((f"nn.MaxPool2d({_size(op.kernel)!r}, stride={_size(op.stride)!r}{rest})",))


@prints(GlobalAvgPool)
def _(op: GlobalAvgPool, xs: tuple[Shape, ...], width: Width) -> Layer:
    return Layer(("nn.AdaptiveAvgPool2d(1)", "nn.Flatten()"))


@prints(Add)
def _(op: Add, xs: tuple[Shape, ...], width: Width) -> Formula:
    return Formula(lambda *xs: " + ".join(xs))


@prints(Concat)
def _(op: Concat, xs: tuple[Shape, ...], width: Width) -> Formula:
    return Formula(lambda *xs: f"torch.cat([{', '.join(xs)}], dim=1)")


@prints(SiLU)
def _(op: SiLU, xs: tuple[Shape, ...], width: Width) -> Layer:
    return Layer(("nn.SiLU()",))


@prints(Sigmoid)
def _(op: Sigmoid, xs: tuple[Shape, ...], width: Width) -> Layer:
    return Layer(("nn.Sigmoid()",))


@prints(Multiply)
def _(op: Multiply, xs: tuple[Shape, ...], width: Width) -> Formula:
    return Formula(lambda x, gate: f"{x} * {gate}[:, :, None, None]")


@prints(Truncate)
def _(op: Truncate, xs: tuple[Shape, ...], width: Width) -> Formula:
    # Not ``width``: a formula stands in ``forward``, where the constructor's names are unknown.
    return Formula(lambda x: f"{x}[:, :{op.out}]")


@prints(Shift)
def _(op: Shift, xs: tuple[Shape, ...], width: Width) -> Layer:
    return Layer(("nn.ZeroPad2d((-1, 1, -1, 1))",))


@prints(Shuffle)
def _(op: Shuffle, xs: tuple[Shape, ...], width: Width) -> Formula:
    groups = f"unflatten(1, ({op.groups}, -1))"
    return Formula(lambda x: f"{x}.{groups}.transpose(1, 2).flatten(1, 2)")


@prints(Pad)
def _(op: Pad, xs: tuple[Shape, ...], width: Width) -> Layer:
    pads = 0, op.width - xs[0].width, 0, op.height - xs[0].height
    return Layer((f"nn.ZeroPad2d({pads})",))


@prints(Blank)
def _(op: Blank, xs: tuple[Shape, ...], width: Width) -> Formula:
    step = f"::{op.stride}"
    return Formula(lambda x: f"({x}[:, :1, {step}, {step}] * 0).expand(-1, {op.out}, -1, -1)")


@prints(Tanh)
def _(op: Tanh, xs: tuple[Shape, ...], width: Width) -> Layer:
    return Layer(("nn.Tanh()",))


@prints(LeakyReLU)
def _(op: LeakyReLU, xs: tuple[Shape, ...], width: Width) -> Layer:
    return Layer(("nn.LeakyReLU()",))


@prints(Hadamard)
def _(op: Hadamard, xs: tuple[Shape, ...], width: Width) -> Formula:
    return Formula(lambda *xs: " * ".join(xs))


@prints(Mean)
def _(op: Mean, xs: tuple[Shape, ...], width: Width) -> Formula:
    return Formula(lambda *xs: f"torch.stack([{', '.join(xs)}]).mean(0)")


@prints(Blend)
def _(op: Blend, xs: tuple[Shape, ...], width: Width) -> Formula:
    return Formula(lambda z, a, b: f"{z} * {a} + (1 - {z}) * {b}")
