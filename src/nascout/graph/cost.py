"""Params, MACs and peak activation memory of a graph, from the op table."""

from __future__ import annotations

from nascout.graph.graph import Graph
from nascout.graph.ops import Identity
from nascout.records import Cost

__all__ = ["graph_cost", "peak_activation_bytes"]


def graph_cost(graph: Graph, bytes_per_value: int = 4) -> Cost:
    """Cost of one forward pass on one sample.

    MACs count convolutions and linear layers with their biases, as NAS-Bench-201 does;
    normalisation, pooling and sums count nothing. ``flops`` is twice the MACs.

    >>> from nascout.graph.builder import Builder
    >>> from nascout.graph.ops import Conv2d
    >>> g = Builder()
    >>> graph_cost(g.graph(g.node(Conv2d(4, 3), g.input((2, 8, 8)), key="conv")))
    Cost(params=72, macs=4608, activation_bytes=1536)
    """
    params = sum(params for params, _ in graph.costs)
    macs = sum(macs for _, macs in graph.costs)
    return Cost(params, macs, peak_activation_bytes(graph, bytes_per_value))


def peak_activation_bytes(graph: Graph, bytes_per_value: int = 4) -> int:
    """The most bytes of activations alive at once, running nodes in order, for inference.

    A tensor lives from the node that makes it to the last one that reads it (outputs to the
    end); while a node runs, its inputs and its output are alive together. An identity is its
    input. Weights and workspace of kernels are not counted.
    """
    sizes = [shape.size for shape in graph.shapes]
    owner = list(range(len(graph)))
    last_read = list(range(len(graph)))
    for index, node in enumerate(graph):
        if isinstance(node.op, Identity):
            owner[index] = owner[node.inputs[0]]
        for source in node.inputs:
            last_read[owner[source]] = index
    for out in graph.outputs:
        last_read[owner[out]] = len(graph)
    dying: list[list[int]] = [[] for _ in range(len(graph) + 1)]
    for index, last in enumerate(last_read):
        if owner[index] == index:
            dying[last].append(sizes[index])
    alive = peak = 0
    for index in range(len(graph)):
        if owner[index] == index:
            alive += sizes[index]
        peak = max(peak, alive)
        alive -= sum(dying[index])
    return peak * bytes_per_value
