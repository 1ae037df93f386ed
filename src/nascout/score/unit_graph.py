"""The unit graph: the channels of a network, and which of them excite which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nascout.score.unit_response import Mask
from nascout.score.unit_steps import (
    Concat,
    Conv,
    Cut,
    Dense,
    Indices,
    Join,
    Keep,
    Operation,
    Select,
    Source,
    Step,
)

__all__ = ["UnitGraph", "connect"]


@dataclass(frozen=True, eq=False)
class UnitGraph:
    """Edges ``source[e] -> target[e]`` between numbered units, each pair at most once.

    A unit without an edge is not part of the graph: no measure counts it.
    """

    source: Indices
    target: Indices

    @cached_property
    def degrees(self) -> Indices:
        """(nodes,) the number of edges, in and out, of every unit that has one."""
        counts = np.bincount(np.concatenate((self.source, self.target)))
        return counts[counts > 0]

    @property
    def nodes(self) -> int:
        """Units that have an edge."""
        return len(self.degrees)

    @property
    def edges(self) -> int:
        """Pairs of units of which the first excites the second."""
        return len(self.source)


class _Channels(NamedTuple):
    """What a step gives: ``unit[k]`` is heard in channel ``channel[k]`` of ``width``."""

    unit: Indices
    channel: Indices
    width: int


def connect(
    steps: Sequence[Step], outputs: Sequence[int], response: Callable[[Conv | Dense], Mask]
) -> UnitGraph:
    """The unit graph of a network.

    Every layer has one unit per channel of its output. Every output is a layer that keeps the
    channels; it takes the place of the classifier, a matrix that gives an output. A pooling that
    only one layer reads is part of that layer, as in the shortcut of a reduction block.

    Args:
        steps: the network, each step after those that it reads.
        outputs: indices of the steps that give the network's outputs.
        response: (in, out) which channel of a layer's input excites which of its outputs.

    >>> steps = [Step(Source(2)), Step(Keep(), (0,)), Step(Join(), (0, 1))]
    >>> graph = connect(steps, [2], lambda layer: np.ones((2, 2), bool))
    >>> graph.nodes, graph.edges
    (6, 6)
    """
    steps = _with_outputs(steps, outputs)
    merged = _merged_poolings(steps)
    made = _Edges()
    values: list[_Channels] = []
    for index, (operation, inputs) in enumerate(steps):
        read = [values[i] for i in inputs]
        match operation:
            case Source(channels) | Cut(channels):
                value = made.layer(channels)
            case Keep():
                value = read[0] if index in merged else made.kept(read[0])
            case Conv() | Dense():
                value = made.excited(read[0], response(operation))
            case Join():
                value = _joined(read, [0] * len(read), read[0].width)
            case Concat():
                ends = np.cumsum([x.width for x in read]).tolist()
                value = _joined(read, [0, *ends[:-1]], ends[-1])
            case Select(chosen):
                found, channel = np.nonzero(read[0].channel[:, None] == chosen)
                value = _Channels(read[0].unit[found], channel, len(chosen))
        values.append(value)
    return made.graph()


def _with_outputs(steps: Sequence[Step], outputs: Sequence[int]) -> list[Step]:
    read = {i for step in steps for i in step.inputs}
    made = list(steps)
    for index in dict.fromkeys(outputs):
        operation, inputs = steps[index]
        if isinstance(operation, Dense) and index not in read:
            made[index] = Step(Keep(), inputs)
        else:
            made.append(Step(Keep(), (index,)))
    return made


def _merged_poolings(steps: Sequence[Step]) -> set[int]:
    readers: list[list[Operation]] = [[] for _ in steps]
    for step in steps:
        for i in step.inputs:
            readers[i].append(step.operation)
    return {
        index
        for index, step in enumerate(steps)
        if step.operation == Keep(pools=True)
        and len(readers[index]) == 1
        and isinstance(readers[index][0], Conv | Dense | Keep)
    }


def _joined(values: Sequence[_Channels], starts: Sequence[int], width: int) -> _Channels:
    """The values with their channels counted from ``starts``."""
    units = np.concatenate([value.unit for value in values])
    channels = [value.channel + start for value, start in zip(values, starts, strict=True)]
    return _Channels(units, np.concatenate(channels), width)


class _Edges:
    """Numbers units as layers come, and collects edges into them."""

    def __init__(self) -> None:
        self._units = 0
        self._found: list[tuple[Indices, Indices]] = []

    def layer(self, width: int) -> _Channels:
        """A layer of new units."""
        first = self._units
        self._units += width
        return _Channels(np.arange(first, self._units), np.arange(width), width)

    def kept(self, x: _Channels) -> _Channels:
        """A layer that hands on every channel of ``x``."""
        made = self.layer(x.width)
        self._add(x, x.unit, made.unit[x.channel])
        return made

    def excited(self, x: _Channels, mask: Mask) -> _Channels:
        """A layer that reads ``x``; ``mask`` (in, out) says which channels excite which unit."""
        made = self.layer(mask.shape[1])
        row, column = np.nonzero(mask[x.channel])
        self._add(x, x.unit[row], made.unit[column])
        return made

    def _add(self, x: _Channels, source: Indices, target: Indices) -> None:
        # The targets are new, so an edge comes twice only where x holds a unit twice (x + x).
        if len(np.unique(x.unit)) < len(x.unit):
            source, target = np.unique((source, target), axis=1)
        self._found.append((source, target))

    def graph(self) -> UnitGraph:
        """What was collected."""
        source, target = (np.concatenate(ends) for ends in zip(*self._found, strict=True))
        return UnitGraph(source, target)
