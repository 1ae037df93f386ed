"""A digest that is the same for graphs that are the same network.

Node order, keys, the order of a sum's terms, identities, added zeros, and whether an operation
without cost is shared or repeated do not count; everything that costs parameters or MACs does,
used or not. Two graphs with one digest compute the same family of functions at the same params
and MACs.

Method: colour refinement (Weisfeiler and Leman) on the DAG: one pass from the inputs, one from
the outputs, one more from the inputs. Vertices that end up with one colour are then marked one
at a time and refined again among themselves, which tells apart what refinement alone cannot,
such as one ring of six from two rings of three. Isomorphic graphs always agree; the tests
compare different ones with exact isomorphism.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import compress
from typing import NamedTuple

from nascout.graph.graph import Graph
from nascout.graph.ops import Add, Identity, Input, Zero

__all__ = ["Vertex", "digest", "simplify"]


class Vertex(NamedTuple):
    """A node of the simplified graph: what it is, what it reads, whether its order matters."""

    label: str
    inputs: tuple[int, ...]
    commutative: bool


def digest(graph: Graph) -> str:
    """32 hex digits: equal for isomorphic graphs.

    >>> from nascout.graph.builder import Builder
    >>> from nascout.graph.ops import Conv2d, ReLU
    >>> def sum_of(first, second):
    ...     g = Builder(); x = g.input((3, 8, 8))
    ...     return g.graph(g.add(g.node(first, x, key="a"), g.node(second, x, key="b"), key="s"))
    >>> digest(sum_of(ReLU(), Conv2d(3, 3))) == digest(sum_of(Conv2d(3, 3), ReLU()))
    True
    """
    vertices, outputs = simplify(graph)
    hashes = {label: _hash([label.encode()]) for label in {v.label for v in vertices}}
    colours = _refine(vertices, [hashes[v.label] for v in vertices], outputs)
    return _hash(sorted(_untie(vertices, colours))).hex()


def simplify(graph: Graph) -> tuple[list[Vertex], list[int]]:
    """Fold identities and zeros, then drop what neither reaches an output nor costs anything.

    A zero is a leaf of its shape; sums drop it, ops that keep zero pass it on. A convolution of a
    zero stays: its normalisation's bias can still be learned, and it costs parameters. Nodes
    without cost that do the same to the same inputs are one vertex.
    """
    vertices: list[Vertex] = []
    needed: list[bool] = []
    place: list[int] = []
    free: dict[Vertex, int] = {}
    zeros: set[int] = set()

    def vertex(new: Vertex, need: bool) -> int:
        if not need:
            if new in free:
                return free[new]
            free[new] = len(vertices)
        vertices.append(new)
        needed.append(need)
        return len(vertices) - 1

    for index, node in enumerate(graph):
        inputs = [place[i] for i in node.inputs]
        if isinstance(node.op, Add):
            inputs = [i for i in inputs if i not in zeros]
        is_input = isinstance(node.op, Input)
        costly = graph.costs[index] != (0, 0)
        if isinstance(node.op, Identity) or (isinstance(node.op, Add) and len(inputs) == 1):
            place.append(inputs[0])
        elif isinstance(node.op, Zero) or (
            node.op.keeps_zero and not costly and zeros.issuperset(inputs)
        ):
            place.append(vertex(Vertex(f"zero {graph.shapes[index]}", (), False), False))
            zeros.add(place[-1])
        else:
            label = f"{node.op} {graph.inputs.index(index)}" if is_input else repr(node.op)
            inputs = sorted(inputs) if node.op.commutative else inputs
            new = Vertex(label, tuple(inputs), node.op.commutative)
            place.append(vertex(new, costly or is_input))
    return _drop_dead(vertices, needed, [place[o] for o in graph.outputs])


def _drop_dead(
    vertices: list[Vertex], keep: list[bool], outputs: list[int]
) -> tuple[list[Vertex], list[int]]:
    for out in outputs:
        keep[out] = True
    for index in range(len(vertices) - 1, -1, -1):
        if keep[index]:
            for source in vertices[index].inputs:
                keep[source] = True
    place = {old: new for new, old in enumerate(compress(range(len(keep)), keep))}
    kept = [
        Vertex(label, tuple([place[i] for i in inputs]), commutative)
        for label, inputs, commutative in compress(vertices, keep)
    ]
    return kept, [place[o] for o in outputs]


def _refine(
    vertices: Sequence[Vertex], labels: list[bytes], outputs: Sequence[int] = ()
) -> list[bytes]:
    around = _downward(vertices, _upward(vertices, labels), outputs)
    return _upward(vertices, around)


def _upward(vertices: Sequence[Vertex], labels: list[bytes]) -> list[bytes]:
    """Colour every vertex by its label and the colours it reads."""
    colours: list[bytes] = []
    for vertex, label in zip(vertices, labels, strict=True):
        read = [colours[i] for i in vertex.inputs]
        if vertex.commutative:
            read.sort()
        colours.append(_hash([label, *read]))
    return colours


def _downward(
    vertices: Sequence[Vertex], colours: list[bytes], outputs: Sequence[int]
) -> list[bytes]:
    """Colour every vertex by its colour and who reads it, at which place."""
    readers: list[list[bytes]] = [[] for _ in vertices]
    for place, out in enumerate(outputs):
        readers[out].append(_OUTPUT + place.to_bytes(4, "big"))
    around = list(colours)
    for index in range(len(vertices) - 1, -1, -1):
        vertex = vertices[index]
        around[index] = _hash([colours[index], *sorted(readers[index])])
        for place, source in enumerate(vertex.inputs):
            position = 0 if vertex.commutative else place
            readers[source].append(around[index] + position.to_bytes(4, "big"))
    return around


def _untie(vertices: list[Vertex], colours: list[bytes]) -> list[bytes]:
    """Tell apart vertices of one colour, by what marking one does to the tied ones around it."""
    count = Counter(colours)
    untied = list(colours)
    for part in _connected(vertices, [count[colour] > 1 for colour in colours]):
        place = {old: new for new, old in enumerate(part)}
        inside = [
            vertices[i]._replace(inputs=tuple(place[s] for s in vertices[i].inputs if s in place))
            for i in part
        ]
        labels = [colours[i] for i in part]
        for i in part if len(part) > 1 else ():
            marked = list(labels)
            marked[place[i]] = _hash([b"marked", colours[i]])
            untied[i] = _hash([colours[i], *sorted(_refine(inside, marked))])
    return untied


def _connected(vertices: list[Vertex], chosen: list[bool]) -> Iterable[list[int]]:
    """The connected parts of the graph that the chosen vertices make, each in ascending order."""
    part = {i: [i] for i, wanted in enumerate(chosen) if wanted}
    for index in list(part):
        for source in vertices[index].inputs:
            if source in part and part[source] is not part[index]:
                joined = sorted(part[source] + part[index])
                part.update(dict.fromkeys(joined, joined))
    return [members for index, members in part.items() if index == members[0]]


def _hash(parts: Iterable[bytes]) -> bytes:
    return blake2b(b"".join(parts), digest_size=16).digest()


_OUTPUT = _hash([b"output"])
