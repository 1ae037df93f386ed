"""Another graph of the same function, which scores without training must not mind."""

from __future__ import annotations

from nascout.graph import Builder, Graph
from nascout.graph.ops import Add, BatchNorm, Conv2d, Input, ReLU, Zero

__all__ = ["rewritten"]


def rewritten(graph: Graph) -> Graph:
    """``graph`` with what does nothing added to it, and with sums that read sums.

    Next to every input stand a convolution and a ReLU that nobody reads. Every sum of maps reads
    the sum of its last two terms, a convolution that a zero follows, and a normalised one that a
    zero precedes. The other nodes keep their keys, so their weights.

    >>> g = Builder()
    >>> x = g.input((2, 4, 4))
    >>> graph = g.graph(g.node(Add(), x, x, x, key="sum"))
    >>> len(graph), len(rewritten(graph))
    (2, 10)
    """
    g = Builder()
    place: list[int] = []
    for node, shape in zip(graph, graph.shapes, strict=True):
        read = [place[i] for i in node.inputs]
        if isinstance(node.op, Add) and len(shape) == 3:
            read = _nested(g, read, shape.channels, node.key)
        place.append(g.node(node.op, *read, key=node.key))
        if isinstance(node.op, Input) and len(shape) == 3:
            g.chain((Conv2d(2, 3), ReLU()), place[-1], key=f"{node.key}_unread")
    return g.graph(*(place[out] for out in graph.outputs))


def _nested(g: Builder, terms: list[int], channels: int, key: str) -> list[int]:
    """The terms of a sum, in another way."""
    convolution = Conv2d(channels, 1)
    lost = g.node(Zero(), g.node(convolution, terms[0], key=f"{key}_lost"), key=f"{key}_zero")
    empty = g.chain((Zero(), convolution, BatchNorm()), terms[0], key=f"{key}_empty")
    inner = g.node(Add(), *terms[-2:], key=f"{key}_inner")
    return [*terms[:-2], inner, lost, empty]
