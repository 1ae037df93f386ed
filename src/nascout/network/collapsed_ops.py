"""The reading op → collapsed: what an operation does to channels that are equal in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Final, TypeVar

from torch.nn import functional as F

from nascout.errors import UnsupportedNetwork
from nascout.graph.cuts import Blank, Shift, Shuffle, Truncate
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
    Zero,
)
from nascout.network.collapsed_planes import apply, average, rectify, shift_grid
from nascout.network.collapsed_values import Step, Value, Values

__all__ = ["Channels", "collapse", "collapses", "each", "part", "width"]

# The channels of a tensor, in order, as runs of equal ones.
Channels = tuple[tuple[Value, int], ...]
Collapse = Callable[..., Channels]
O = TypeVar("O", bound=Op)  # noqa: E741

_TABLE: dict[type[Op], Collapse] = {}


def collapses(kind: type[O]) -> Callable[[Collapse], Collapse]:
    """Say what an operation does to channels at constant weights.

    The function gets the op, the :class:`~nascout.network.collapsed_values.Values` to make new
    ones with, and the channels of each input. Every weight is the same constant, which a sum
    (``values.total``) or normalisation gets with ``weighted=True``; every bias is zero. Any
    function of single numbers ``f`` is a step: ``Step(partial(apply, f), bound)``.
    """

    def register(function: Collapse) -> Collapse:
        if kind in _TABLE:
            raise ValueError(f"{kind.__name__} is collapsed twice")
        _TABLE[kind] = function
        return function

    return register


def collapse(op: Op, values: Values, xs: Sequence[Channels]) -> Channels:
    """The channels that ``op`` makes of those of its inputs.

    Raises:
        UnsupportedNetwork: an op without a collapse; names it.
    """
    if type(op) not in _TABLE:
        raise UnsupportedNetwork(
            f"the op {type(op).__name__} has no collapsed form",
            f"Register one with @collapses({type(op).__name__}), or score networks one by one.",
        )
    return _TABLE[type(op)](op, values, *xs)


def width(x: Channels) -> int:
    """How many channels there are."""
    return x[0][1] if len(x) == 1 else sum([count for _, count in x])


def part(x: Channels, start: int, stop: int) -> Channels:
    """The channels from ``start`` to before ``stop``."""
    ends = accumulate(count for _, count in x)
    kept = [
        (value, min(end, stop) - max(end - count, start))
        for (value, count), end in zip(x, ends, strict=True)
    ]
    return _runs([(value, count) for value, count in kept if count > 0])


def each(function: Callable[..., Value], *xs: Channels) -> Channels:
    """``function`` of every channel, side by side where there are several inputs."""
    if len(xs) == 1:
        return _runs([(function(value), count) for value, count in xs[0]])
    if all(len(x) == 1 for x in xs):
        return ((function(*[x[0][0] for x in xs]), xs[0][0][1]),)
    ends = sorted({end for x in xs for end in accumulate(count for _, count in x)})
    cuts = list(pairwise([0, *ends]))
    rows = zip(*[[part(x, *cut)[0][0] for cut in cuts] for x in xs], strict=True)
    return _runs(
        [(function(*row), end - start) for row, (start, end) in zip(rows, cuts, strict=True)]
    )


def _runs(pairs: Sequence[tuple[Value, int]]) -> Channels:
    if len(pairs) == 1:
        return tuple(pairs)
    runs: list[tuple[Value, int]] = []
    for value, count in pairs:
        if runs and runs[-1][0] is value:
            runs[-1] = value, runs[-1][1] + count
        else:
            runs.append((value, count))
    return tuple(runs)


def _counts(x: Iterable[tuple[Value, int]]) -> dict[Value, int]:
    counts: dict[Value, int] = {}
    for value, count in x:
        counts[value] = counts.get(value, 0) + count
    return counts


def _same(bound: float) -> float:
    return bound


RELU: Final = Step(rectify, _same)
RELU6: Final = Step(partial(apply, F.relu6), lambda bound: min(bound, 6.0))
SILU: Final = Step(partial(apply, F.silu), _same)
SIGMOID: Final = Step(partial(apply, F.sigmoid), lambda bound: 1.0)
AVERAGE: Final = Step(average, _same)
SHIFT: Final = Step(shift_grid, _same)


@collapses(Conv2d)
def _(op: Conv2d, values: Values, x: Channels) -> Channels:
    fan_in = width(x) // op.groups
    starts = range(0, width(x), fan_in)
    totals = [values.total(_counts(part(x, i, i + fan_in)), weighted=True) for i in starts]
    return _runs([(values.window(total, op, "sum"), op.out // op.groups) for total in totals])


@collapses(DepthwiseConv2d)
def _(op: DepthwiseConv2d, values: Values, x: Channels) -> Channels:
    return each(lambda v: values.window(values.total({v: 1}, weighted=True), op, "sum"), x)


@collapses(Linear)
def _(op: Linear, values: Values, x: Channels) -> Channels:
    return ((values.total(_counts(x), weighted=True), op.out),)


@collapses(BatchNorm)
def _(op: BatchNorm, values: Values, x: Channels) -> Channels:
    return each(lambda v: values.normalise(v, weighted=op.affine), x)


@collapses(ReLU)
def _(op: ReLU, values: Values, x: Channels) -> Channels:
    return each(lambda v: values.derive(RELU, (v,)), x)


@collapses(ReLU6)
def _(op: ReLU6, values: Values, x: Channels) -> Channels:
    return each(lambda v: values.derive(RELU6, (v,)), x)


@collapses(SiLU)
def _(op: SiLU, values: Values, x: Channels) -> Channels:
    return each(lambda v: values.derive(SILU, (v,)), x)


@collapses(Sigmoid)
def _(op: Sigmoid, values: Values, x: Channels) -> Channels:
    return each(lambda v: values.derive(SIGMOID, (v,)), x)


@collapses(Multiply)
def _(op: Multiply, values: Values, x: Channels, gate: Channels) -> Channels:
    return each(lambda v, g: values.derive(values.multiply, (v, g)), x, gate)


@collapses(Identity)
def _(op: Identity, values: Values, x: Channels) -> Channels:
    return x


@collapses(Zero)
def _(op: Zero, values: Values, x: Channels) -> Channels:
    return each(lambda v: values.zeros(v.area), x)


@collapses(Blank)
def _(op: Blank, values: Values, x: Channels) -> Channels:
    area = tuple(-(-size // op.stride) for size in x[0][0].area)
    return ((values.zeros(area), op.out),)


@collapses(Add)
def _(op: Add, values: Values, *xs: Channels) -> Channels:
    return each(lambda *vs: values.total(_counts([(v, 1) for v in vs])), *xs)


@collapses(Concat)
def _(op: Concat, values: Values, *xs: Channels) -> Channels:
    return _runs([run for x in xs for run in x])


@collapses(AvgPool)
def _(op: AvgPool, values: Values, x: Channels) -> Channels:
    return each(lambda v: values.window(v, op, "mean"), x)


@collapses(MaxPool)
def _(op: MaxPool, values: Values, x: Channels) -> Channels:
    return each(lambda v: values.window(v, op, "max"), x)


@collapses(GlobalAvgPool)
def _(op: GlobalAvgPool, values: Values, x: Channels) -> Channels:
    return each(lambda v: values.derive(AVERAGE, (v,), area=()), x)


@collapses(Truncate)
def _(op: Truncate, values: Values, x: Channels) -> Channels:
    return part(x, 0, op.out)


@collapses(Shuffle)
def _(op: Shuffle, values: Values, x: Channels) -> Channels:
    count = width(x) // op.groups
    order = [i * count + j for j in range(count) for i in range(op.groups)]
    return x if len(x) == 1 else _runs([part(x, c, c + 1)[0] for c in order])


@collapses(Shift)
def _(op: Shift, values: Values, x: Channels) -> Channels:
    return each(lambda v: values.derive(SHIFT, (v,)), x)
