"""The reading op → step of the unit graph: one small function per operation."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from nascout.errors import UnsupportedNetwork
from nascout.graph import Graph, Op, Shape
from nascout.graph import ops as g
from nascout.graph.cuts import Blank, Pad, Shift, Shuffle, Truncate
from nascout.graph.gates import Multiply, ReLU6, Sigmoid, SiLU
from nascout.graph.graph import Call
from nascout.score.unit_steps import (
    Concat,
    Conv,
    Cut,
    Dense,
    Join,
    Keep,
    Operation,
    Select,
    Source,
    Step,
)

__all__ = ["graph_steps", "reads_units"]

Reading: TypeAlias = Callable[[Any, tuple[Shape, ...], str], Operation | None]

_TABLE: dict[type[Op], Reading] = {}


def reads_units(*kinds: type[Op]) -> Callable[[Reading], Reading]:
    """Say what operations mean to the unit graph.

    The function gets the op, its input shapes, and the name of its weight if it has one. ``None``
    says: no layer, channels as they come, as for normalisations and activations.
    """

    def register(function: Reading) -> Reading:
        for kind in kinds:
            if kind in _TABLE:
                raise ValueError(f"{kind.__name__} is read twice")
            _TABLE[kind] = function
        return function

    return register


def graph_steps(graph: Graph) -> tuple[list[Step], list[int]]:
    """The steps of a graph, and those that give its outputs.

    Raises:
        UnsupportedNetwork: an op without a reading; names it.
    """
    steps: list[Step] = []
    place: list[int] = []
    for node, call in zip(graph, graph.calls, strict=True):
        operation = _operation(call, node.key)
        inputs = tuple([place[i] for i in node.inputs])
        if operation is None:
            place.append(inputs[0])
        else:
            place.append(len(steps))
            steps.append(Step(operation, inputs))
    return steps, [place[i] for i in graph.outputs]


@lru_cache(2**14)
def _operation(call: Call, key: str) -> Operation | None:
    op = call.op
    if type(op) not in _TABLE:
        known = ", ".join(sorted(kind.__name__ for kind in _TABLE))
        raise UnsupportedNetwork(
            f"the op {type(op).__name__} means nothing to the unit graph",
            f"It knows {known}; add a meaning with "
            f"@nascout.score.unit_graph_ops.reads_units({type(op).__name__}).",
        )
    return _TABLE[type(op)](op, call.inputs, f"{key}.weight")


@reads_units(g.Input)
def _(op: g.Input, xs: tuple[Shape, ...], name: str) -> Operation:
    return Source(op.dims[0])


@reads_units(g.Conv2d, g.DepthwiseConv2d)
def _(op: g.Conv2d | g.DepthwiseConv2d, xs: tuple[Shape, ...], name: str) -> Operation:
    rows, columns = op.pads
    groups = op.groups if isinstance(op, g.Conv2d) else xs[0].channels
    stride, dilation = g.pair(op.stride), g.pair(op.dilation)
    padding = ((rows, rows), (columns, columns))
    shape = op.weights(*xs)["weight"]
    return Conv(name, shape, xs[0][1:], stride, padding, dilation, groups)


@reads_units(g.Linear)
def _(op: g.Linear, xs: tuple[Shape, ...], name: str) -> Operation:
    channels = xs[0].channels
    return Dense(name, (op.out, channels), tuple(range(channels)), channels)


# A shift moves the border only: the zeros that it lets in are not read as padding.
@reads_units(g.BatchNorm, g.ReLU, ReLU6, SiLU, Sigmoid, Shift, Pad)
def _(op: Op, xs: tuple[Shape, ...], name: str) -> None:
    return None


@reads_units(g.AvgPool, g.MaxPool, g.GlobalAvgPool)
def _(op: Op, xs: tuple[Shape, ...], name: str) -> Operation:
    return Keep(pools=True)


@reads_units(g.Identity)
def _(op: Op, xs: tuple[Shape, ...], name: str) -> Operation:
    return Keep()


@reads_units(g.Zero, Blank)
def _(op: g.Zero, xs: tuple[Shape, ...], name: str) -> Operation:
    return Cut(op.shape(*xs).channels)


@reads_units(Truncate)
def _(op: Truncate, xs: tuple[Shape, ...], name: str) -> Operation:
    return Select(np.arange(op.out))


@reads_units(Shuffle)
def _(op: Shuffle, xs: tuple[Shape, ...], name: str) -> Operation:
    return Select(np.arange(xs[0].channels).reshape(op.groups, -1).T.ravel())


@reads_units(g.Add, Multiply)
def _(op: Op, xs: tuple[Shape, ...], name: str) -> Operation:
    return Join()


@reads_units(g.Concat)
def _(op: Op, xs: tuple[Shape, ...], name: str) -> Operation:
    return Concat()
