"""Running many graphs for a score: forward, in parts that fit in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import TypeVar

import torch
from torch import Tensor

from nascout.errors import UnsupportedNetwork
from nascout.graph import Graph
from nascout.graph.merged import Merged, merge
from nascout.graph.op import Op
from nascout.network.population import Population
from nascout.score.card import AtOnce
from nascout.score.inputs import Inputs, tensors

__all__ = ["alike", "chunks", "readings"]

CHUNK = 64
T = TypeVar("T")


def alike(function: AtOnce) -> AtOnce:
    """Give ``function`` only graphs of nascout's own operations, with the inputs of the first.

    An operation of a third party may hold what a score looks for, such as a ReLU, where only its
    module knows it. Other graphs are to be scored by themselves.
    """

    @wraps(function)
    def at_once(
        graphs: Sequence[Graph],
        x: Inputs | None,
        y: Tensor | None = None,
        *,
        seed: int,
        memory: int,
    ) -> Iterator[float | UnsupportedNetwork]:
        reasons = [_unlike(graph, graphs[0], x) for graph in graphs]
        chosen = [graph for graph, reason in zip(graphs, reasons, strict=True) if not reason]
        values = function(chosen, x, y, seed=seed, memory=memory)
        for reason in reasons:
            yield UnsupportedNetwork(reason, "Score it by itself.") if reason else next(values)

    return at_once


def _unlike(graph: Graph, first: Graph, x: Inputs | None) -> str:
    """Why ``graph`` cannot run beside ``first`` on ``x``; empty if it can."""
    kinds = {type(node.op) for node in graph}
    foreign = [kind.__name__ for kind in kinds if not kind.__module__.startswith("nascout.")]
    if foreign:
        return f"{', '.join(sorted(foreign))} may hold what a score reads"
    shapes = [graph.shapes[index] for index in graph.inputs]
    if shapes != [first.shapes[index] for index in first.inputs]:
        return "its inputs have other sizes than those of the first"
    given = [] if x is None else [tuple(t.shape[1:]) for t in tensors(x)]
    return "the batch does not fit its inputs" if given and given != shapes else ""


def readings(
    graphs: Sequence[Graph],
    batch: Sequence[Tensor],
    ops: tuple[type[Op], ...],
    read: Callable[[Tensor], T],
    *,
    seed: int,
    memory: int,
    output: bool = False,
) -> Iterator[list[T]]:
    """Per graph, what ``read`` makes of the input of every such operation, in order.

    Left out are those that no output depends on. What several operations or graphs have in common
    is computed and read once. The networks are those of ``build(graph, seed)`` in train mode.

    Args:
        graphs: similar ones are best near each other.
        batch: one tensor (n, *shape) per input of each graph.
        ops: which operations are of interest.
        read: gets (n, ...) a tensor that it may not keep.
        seed: of the weights.
        memory: bytes of activations to hold, about.
        output: read what these operations give, not what they get.
    """
    population = Population(seed, batch[0].device, batch[0].dtype)
    for part, merged in chunks(population, graphs, batch, memory):
        wanted = [_wanted(*graph, ops, output) for graph in zip(part, merged.places, strict=True)]
        waiting = Counter(index for indices in wanted for index in set(indices))
        known: dict[int, T] = {}

        def reader(index: int, known: dict[int, T] = known) -> Callable[[Tensor], None]:
            return lambda z: known.update({index: read(z)})

        with torch.no_grad():
            running = population(merged, batch, {index: reader(index) for index in waiting})
            for indices, _ in zip(wanted, running, strict=True):
                yield [known[index] for index in indices]
                for index in set(indices):
                    waiting[index] -= 1
                    if not waiting[index]:
                        del known[index]


def _wanted(
    graph: Graph, place: Sequence[int], ops: tuple[type[Op], ...], output: bool
) -> list[int]:
    """The slots to be read."""
    return [
        place[index if output else node.inputs[0]]
        for index, node in enumerate(graph)
        if isinstance(node.op, ops) and place[index] >= 0
    ]


def chunks(
    population: Population,
    graphs: Sequence[Graph],
    batch: Sequence[Tensor],
    memory: int,
    without: tuple[type[Op], ...] = (),
) -> Iterator[tuple[Sequence[Graph], Merged]]:
    """The graphs in parts of at most 64, each merged, that hold no more than ``memory`` bytes.

    A graph that needs more by itself is a part of its own. Operations of the kinds ``without``
    pass their input on.
    """
    sample = batch[0].element_size() * len(batch[0])
    start, size = 0, CHUNK
    while start < len(graphs):
        part = graphs[start : start + size]
        merged = merge(part, without)
        steps = population.steps(merged, len(batch[0]))
        if len(part) > 1 and merged.peak(steps) * sample > memory:
            size = len(part) // 2
            continue
        yield part, merged
        start += len(part)
