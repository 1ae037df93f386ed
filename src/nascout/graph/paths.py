"""The paths that meet in a network: what drop-path drops."""

from __future__ import annotations

from dataclasses import dataclass

from nascout.graph.graph import Graph, Node
from nascout.graph.ops import Add, Concat, Identity, Input, Zero

__all__ = ["Path", "find_paths"]


@dataclass(frozen=True)
class Path:
    """The last node of a path into a sum or a concatenation, and where in depth they meet.

    ``layer`` counts from 1 to ``layers``; a layer is a cell, or a block with a sum.
    """

    node: int
    layer: int
    layers: int


def find_paths(graph: Graph) -> tuple[Path, ...]:
    """Every path that ends in a sum, or in a concatenation of nothing but paths.

    A path is what an operation makes for one sum only: its last node is read by nobody else, and
    stands in a part of the network in which the sum does not (``cell3/0->2/sep_conv_3x3/...`` and
    ``cell3/2/add``, but not the two halves of a factorized reduction). An identity is no path
    and neither is a zero, an input, or what other nodes read, too, such as the shortcut of a
    residual block. A shortcut with a convolution of its own is one.

    >>> from nascout.graph.builder import Builder
    >>> from nascout.graph.ops import Conv2d, ReLU
    >>> g = Builder()
    >>> x = g.input((4, 8, 8))
    >>> one = g.chain((ReLU(), Conv2d(4, 3)), x, key="cell0/0->2/conv")
    >>> other = g.chain((Identity(),), x, key="cell0/1->2/skip")
    >>> graph = g.graph(g.add(one, other, key="cell0/2/add"))
    >>> [graph.nodes[path.node].key for path in find_paths(graph)]
    ['cell0/0->2/conv/conv2d']
    """
    readers = [0] * len(graph)
    for node in graph:
        for source in node.inputs:
            readers[source] += 1
    for out in graph.outputs:
        readers[out] += 1
    found: list[tuple[int, str]] = []
    for node in graph:
        ends = [i for i in node.inputs if readers[i] == 1 and _is_path(graph.nodes[i], node.key)]
        if isinstance(node.op, Add) or (isinstance(node.op, Concat) and _carry(graph, node, ends)):
            found += [(i, _common_scope(graph.nodes[i].key, node.key)) for i in ends]
    layers = {scope: n for n, scope in enumerate(dict.fromkeys(scope for _, scope in found), 1)}
    return tuple(Path(node, layers[scope], len(layers)) for node, scope in found)


def _is_path(node: Node, join: str) -> bool:
    """Whether an operation stands in a scope of its own, outside which the join stands."""
    scope = node.key.rpartition("/")[0]
    stands_apart = scope != "" and not join.startswith(f"{scope}/")
    return stands_apart and not isinstance(node.op, Identity | Zero | Input | Add | Concat)


def _carry(graph: Graph, node: Node, ends: list[int]) -> bool:
    """Whether nothing but paths enters: a cell's concatenation of sums is no join of paths."""
    others = [graph.nodes[i].op for i in node.inputs if i not in ends]
    return bool(ends) and all(isinstance(op, Identity | Zero) for op in others)


def _common_scope(one: str, other: str) -> str:
    shared: list[str] = []
    for a, b in zip(one.split("/")[:-1], other.split("/")[:-1], strict=False):
        if a != b:
            break
        shared.append(a)
    return "/".join(shared)
