"""The maps of a classifier that a detector or segmenter reads: the last one of each resolution."""

from __future__ import annotations

from dataclasses import dataclass

from nascout.errors import GraphError
from nascout.graph.graph import Graph
from nascout.graph.ops import Input
from nascout.graph.window import Size, pair

__all__ = ["Feature", "feature_graph", "find_features"]


@dataclass(frozen=True)
class Feature:
    """A node whose output is a feature map, its channels, and its stride.

    The stride is how many rows and columns of the input lie between neighbouring positions: one
    number, or ``(vertical, horizontal)`` where they differ.
    """

    node: int
    channels: int
    stride: Size


def find_features(graph: Graph) -> tuple[Feature, ...]:
    """The last map of each resolution, the largest first.

    A *part* of a network is what shares the first component of its keys: ``stem``, ``stage2``,
    ``cell7``, ``layer3``. A feature is the last map of its height and width that leaves its part:
    that another part reads on the way to the first output, or that is this output. So what a
    part makes for itself is none: the wide map inside an inverted residual block, what a
    reduction cell makes of its inputs, or the convolution and normalisation of a head. The input
    is none either, and what only an auxiliary head makes is not looked at. A part that ends with
    a smaller map than it began with therefore gives only its end: reductions belong at the
    beginning of their part, as in every space here.

    Strides are those that operations name, multiplied along the way; where ways join, the larger
    counts. They are exact where sizes divide evenly.

    Raises:
        GraphError: no map leaves its part.

    >>> from nascout.graph.builder import Builder
    >>> from nascout.graph.ops import Conv2d, GlobalAvgPool, Linear, ReLU
    >>> g = Builder()
    >>> x = g.chain((Conv2d(4, 3), ReLU()), g.input((3, 8, 8)), key="stem")
    >>> x = g.chain((Conv2d(6, 3, 2), ReLU()), x, key="layer1")
    >>> x = g.chain((Conv2d(6, 3), ReLU()), x, key="layer2")
    >>> graph = g.graph(g.chain((GlobalAvgPool(), Linear(9)), x, key="head"))
    >>> [(graph.nodes[f.node].key, f.channels, f.stride) for f in find_features(graph)]
    [('stem/relu', 4, 1), ('layer2/relu', 6, 2)]
    """
    live = Graph(graph.nodes, graph.outputs[:1]).live
    parts = [node.key.partition("/")[0] for node in graph]
    leaving = {graph.outputs[0]}
    for index, node in enumerate(graph):
        if live[index]:
            leaving.update(i for i in node.inputs if parts[i] != parts[index])
    last: dict[tuple[int, ...], int] = {}
    for index in sorted(leaving):
        shape = graph.shapes[index]
        if shape.is_map and not isinstance(graph.nodes[index].op, Input):
            last[shape[1:]] = index
    if not last:
        raise GraphError(
            "no map leaves a part of the network, so it has no features",
            "Key the nodes by their part first: stem/conv2d, stage1/block0/conv2d, head/linear.",
        )
    strides = _strides(graph)
    largest_first = sorted(last.items(), key=lambda item: (-item[0][0] * item[0][1], item[1]))
    return tuple(
        Feature(node, graph.shapes[node].channels, strides[node]) for _, node in largest_first
    )


def feature_graph(graph: Graph) -> Graph:
    """The graph whose outputs are the features of ``graph``, without what they do not need.

    Nodes keep their keys, and so their weights.

    Raises:
        GraphError: as for :func:`find_features`.
    """
    return Graph(graph.nodes, tuple(f.node for f in find_features(graph))).prune()


def _strides(graph: Graph) -> list[Size]:
    strides: list[tuple[int, int]] = []
    for node in graph:
        before = [strides[i] for i in node.inputs] or [(1, 1)]
        down, right = pair(getattr(node.op, "stride", 1))
        strides.append((max(r for r, _ in before) * down, max(c for _, c in before) * right))
    return [rows if rows == columns else (rows, columns) for rows, columns in strides]
