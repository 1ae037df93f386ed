"""Graphs that grow: a layer put on an edge, an edge put beside others. No depth is too large.

A space's decisions are a list of fixed length, so what grows without bound is the graph itself.
Both changes keep every node, its key and what it reads in which shape, hence its weights.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import accumulate

from nascout.errors import GraphError
from nascout.graph import Builder, Graph, Op, Shape, repair
from nascout.graph.ops import Add, Input
from nascout.graph.repair import projection
from nascout.space.cell_ops import operation

__all__ = ["LAYERS", "add_edge", "edges", "insert_node", "mutate"]

LAYERS = ("conv_1x1", "conv_3x3", "sep_conv_3x3", "sep_conv_5x5", "max_pool_3x3", "avg_pool_3x3")

Edge = tuple[int, int]  # the node that reads, and which of its inputs


def edges(graph: Graph) -> list[Edge]:
    """Where layers meet: ``(reader, position)`` of every map that passes between scopes.

    The scope of a node is its key up to the last slash: a convolution and its normalisation
    share one. The edge from an input, and those that no output depends on, are left out.

    >>> from nascout.graph.ops import Conv2d, ReLU
    >>> g = Builder()
    >>> x = g.chain((Conv2d(4, 3), ReLU()), g.input((3, 8, 8)), key="stem")
    >>> graph = g.graph(g.chain((Conv2d(4, 3), ReLU()), x, key="layer1"))
    >>> [graph.nodes[reader].key for reader, _ in edges(graph)]
    ['layer1/conv2d']
    """
    return [
        (reader, position)
        for reader, node in enumerate(graph)
        for position, source in enumerate(node.inputs)
        if graph.live[reader]
        and graph.shapes[source].is_map
        and not isinstance(graph.nodes[source].op, Input)
        and _scope(graph, source) != _scope(graph, reader)
    ]


def insert_node(graph: Graph, edge: Edge, ops: Sequence[Op]) -> Graph:
    """``graph`` with ``ops``, one after the other, between a node and what it reads.

    Args:
        graph: to grow; it stays as it is.
        edge: the node that reads, and which of its inputs.
        ops: each has one input. Where they change the shape, junctions are repaired behind them,
            and what then reads another shape has new weights.

    Raises:
        GraphError: no such edge, or operations that do not fit.
    """
    reader, position = _checked(graph, edge)
    key = _fresh(graph, f"{graph.nodes[reader].key}-before{position}")
    return repair(_changed(graph, edge, lambda g, source: g.chain(ops, source, key)))


def add_edge(graph: Graph, source: int, edge: Edge) -> Graph:
    """``graph`` with the output of ``source`` added to what passes along ``edge``.

    Where shapes differ, ``source`` is pooled and projected to the shape of the edge, never the
    other way round.

    Args:
        graph: to grow; it stays as it is.
        source: a node before the one that reads.
        edge: the node that reads, and which of its inputs.

    Raises:
        GraphError: no such edge, a source that does not come before it, or one that cannot be
            brought to the shape: a smaller map, or a vector for a map.
    """
    reader, position = _checked(graph, edge)
    shape = graph.shapes[graph.nodes[reader].inputs[position]]
    if not (0 <= source < reader and _fits(graph.shapes[source], shape)):
        raise GraphError(
            f"node {source} cannot be added to input {position} of {graph.nodes[reader].key!r}",
            f"Take one before node {reader}, of height and width of at least those of {shape}.",
        )
    key = _fresh(graph, f"{graph.nodes[reader].key}-plus{position}")

    def join(g: Builder, old: int) -> int:
        ops = projection(graph.shapes[source], shape, shape)
        return g.node(Add(), old, g.chain(ops, source, key), key=f"{key}/add")

    return _changed(graph, edge, join)


def mutate(graph: Graph, rng: random.Random, layers: Sequence[str] = LAYERS) -> Graph:
    """``graph`` with a layer or an edge more, as NEAT grows networks (Stanley and Miikkulainen).

    A layer of random kind is put on a random edge of :func:`edges`, with the channels that pass
    there; or, as likely, a random earlier map is added to a random edge, if any map fits there.

    Args:
        graph: to grow; it stays as it is.
        rng: what draws.
        layers: names of operations; see :func:`nascout.space.cell_ops.operation`.

    Raises:
        GraphError: a graph without edges between layers.
    """
    places = edges(graph)
    if not places:
        raise GraphError(
            "the graph has no layers to grow between",
            "Key the nodes of a layer by it: layer1/conv2d, layer1/relu, layer2/conv2d.",
        )
    reader, position = edge = rng.choice(places)
    read = graph.nodes[reader].inputs[position]
    shape = graph.shapes[read]
    sources = [
        i
        for i in sorted({graph.nodes[other].inputs[at] for other, at in places})
        if i < reader and i != read and _fits(graph.shapes[i], shape)
    ]
    if sources and rng.random() < 0.5:
        return add_edge(graph, rng.choice(sources), edge)
    width = shape.channels
    return insert_node(graph, edge, operation(rng.choice(layers), width, width, 1))


def _scope(graph: Graph, index: int) -> str:
    key = graph.nodes[index].key
    return key.rpartition("/")[0] or key


def _fits(shape: Shape, wanted: Shape) -> bool:
    sizes = zip(shape[1:], wanted[1:], strict=False)
    return len(shape) == len(wanted) and all(size >= least for size, least in sizes)


def _checked(graph: Graph, edge: Edge) -> Edge:
    reader, position = edge
    if not 0 <= reader < len(graph) or not 0 <= position < len(graph.nodes[reader].inputs):
        raise GraphError(f"the graph has no edge {edge}", "Give a node and one of its inputs.")
    return edge


def _fresh(graph: Graph, key: str) -> str:
    """``key``, or with a number behind it: not a node's, nor a scope of nodes."""
    taken = {
        scope
        for node in graph
        for scope in accumulate(node.key.split("/"), lambda scope, name: f"{scope}/{name}")
    }
    fresh, count = key, 2
    while fresh in taken:
        fresh, count = f"{key}-{count}", count + 1
    return fresh


def _changed(graph: Graph, edge: Edge, change: Callable[[Builder, int], int]) -> Graph:
    """``graph`` in which one node reads what ``change`` makes of what it read."""
    reader, position = edge
    g = Builder()
    place: list[int] = []
    for index, node in enumerate(graph):
        inputs = [place[i] for i in node.inputs]
        if index == reader:
            inputs[position] = change(g, inputs[position])
        place.append(g.node(node.op, *inputs, key=node.key))
    return g.graph(*(place[out] for out in graph.outputs))
