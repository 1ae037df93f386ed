"""The unit graph: the channels of a network, and which of them excite which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nascout.score.unit_mask import Mask, kept
from nascout.score.unit_steps import (
    Concat,
    Conv,
    Cut,
    Dense,
    Indices,
    Join,
    Keep,
    Layer,
    Operation,
    Select,
    Source,
    Step,
)

__all__ = ["UnitGraph", "connect"]


@dataclass(frozen=True, eq=False)
class _Channels:
    """What a step gives: ``unit[k]`` is heard in channel ``channel[k]`` of ``width``."""

    unit: Indices
    channel: Indices
    width: int

    @cached_property
    def heard(self) -> Indices:
        """(width,) how many units each channel holds."""
        return np.bincount(self.channel, minlength=self.width)

    @cached_property
    def once(self) -> bool:
        """Whether no unit is held twice, as it is in x + x."""
        return bool(np.bincount(self.unit).max(initial=0) < 2)


class _Link(NamedTuple):
    """A layer: what it reads, each unit once, what that excites, and the layer's own units."""

    read: _Channels
    mask: Mask
    made: _Channels


@dataclass(frozen=True, eq=False)
class UnitGraph:
    """Edges ``source[e] -> target[e]`` between numbered units, each pair at most once.

    A unit without an edge is not part of the graph: no measure counts it.
    """

    links: tuple[_Link, ...]

    @cached_property
    def degrees(self) -> Indices:
        """(nodes,) the number of edges, in and out, of every unit that has one.

        From sums over the layers' masks; no edge is listed.
        """
        units, counts = [], []
        for read, mask, made in self.links:
            units += [read.unit, made.unit]
            counts += [mask.leaving[read.channel], mask.reaching(read.heard)]
        degrees = np.bincount(np.concatenate(units), np.concatenate(counts)).astype(np.int64)
        return degrees[degrees > 0]

    @cached_property
    def _ends(self) -> tuple[Indices, Indices]:
        found = [mask.pairs(read.channel) for read, mask, _ in self.links]
        source = [link.read.unit[k] for link, (k, _) in zip(self.links, found, strict=True)]
        target = [link.made.unit[o] for link, (_, o) in zip(self.links, found, strict=True)]
        return np.concatenate(source), np.concatenate(target)

    @property
    def nodes(self) -> int:
        """Units that have an edge."""
        return len(self.degrees)

    @property
    def edges(self) -> int:
        """Pairs of units of which the first excites the second."""
        return int(self.degrees.sum()) // 2

    @property
    def source(self) -> Indices:
        """(edges,) the unit that each edge leaves."""
        return self._ends[0]

    @property
    def target(self) -> Indices:
        """(edges,) the unit that each edge reaches."""
        return self._ends[1]


def connect(
    steps: Sequence[Step], outputs: Sequence[int], response: Callable[[Layer], Mask]
) -> UnitGraph:
    """The unit graph of a network.

    Every layer has one unit per channel of its output. Every output is a layer that keeps the
    channels; it takes the place of the classifier, a matrix that gives an output. A pooling that
    only one layer reads is part of that layer, as in the shortcut of a reduction block.

    Args:
        steps: the network, each step after those that it reads.
        outputs: indices of the steps that give the network's outputs.
        response: which channels of a layer's input excite which of its outputs.

    >>> steps = [Step(Source(2)), Step(Keep(), (0,)), Step(Join(), (0, 1))]
    >>> graph = connect(steps, [2], lambda layer: kept(2))
    >>> graph.nodes, graph.edges
    (6, 6)
    """
    steps = _with_outputs(steps, outputs)
    merged = _merged_poolings(steps)
    made = _Links()
    values: list[_Channels] = []
    for index, (operation, inputs) in enumerate(steps):
        read = [values[i] for i in inputs]
        match operation:
            case Source(channels) | Cut(channels):
                value = made.layer(channels)
            case Keep():
                value = read[0] if index in merged else made.excited(read[0], kept(read[0].width))
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
    return UnitGraph(tuple(made.links))


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
        if isinstance(step.operation, Keep)
        and step.operation.pools
        and len(readers[index]) == 1
        and isinstance(readers[index][0], Conv | Dense | Keep)
    }


def _joined(values: Sequence[_Channels], starts: Sequence[int], width: int) -> _Channels:
    """The values with their channels counted from ``starts``."""
    units = np.concatenate([value.unit for value in values])
    channels = [value.channel + start for value, start in zip(values, starts, strict=True)]
    return _Channels(units, np.concatenate(channels), width)


class _Links:
    """Numbers units as layers come, and collects what links them."""

    def __init__(self) -> None:
        self.links: list[_Link] = []
        self._units = 0

    def layer(self, width: int) -> _Channels:
        """A layer of new units."""
        first = self._units
        self._units += width
        return _Channels(np.arange(first, self._units), np.arange(width), width)

    def excited(self, x: _Channels, mask: Mask) -> _Channels:
        """A layer that reads ``x``; ``mask`` says which channels excite which unit."""
        made = self.layer(mask.outputs)
        self.links.append(_Link(*((x, mask) if x.once else _each_once(x, mask)), made))
        return made


def _each_once(x: _Channels, mask: Mask) -> tuple[_Channels, Mask]:
    """The same edges from every unit in a channel of its own."""
    unit, place = np.unique(x.unit, return_inverse=True)
    blocks = np.zeros((1, len(unit), mask.outputs), bool)
    k, output = mask.pairs(x.channel)
    blocks[0, place[k], output] = True
    return _Channels(unit, np.arange(len(unit)), len(unit)), Mask(blocks)
