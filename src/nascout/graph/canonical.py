"""A digest that is the same for graphs that are the same network.

Node order, keys, the order of a sum's terms, identities, added zeros, and whether an operation
without cost is shared or repeated do not count; everything that costs parameters or MACs does,
used or not. Two graphs with one digest compute the same family of functions at the same params
and MACs. What costs something and does nothing is left out by :mod:`nascout.graph.function`.

Method: colour refinement (Weisfeiler and Leman) on the DAG: one pass from the inputs, one from
the outputs, one more from the inputs. Vertices that end up with one colour are then marked one
at a time and refined again among themselves, which tells apart what refinement alone cannot,
such as one ring of six from two rings of three. Isomorphic graphs always agree; the tests
compare different ones with exact isomorphism.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import compress
from typing import NamedTuple

from nascout.graph.graph import Call, Graph
from nascout.graph.ops import Add, Identity, Input, Zero

__all__ = ["Found", "Vertex", "digest", "digest_of", "drop_dead", "simplify"]


class Vertex(NamedTuple):
    """A node of the simplified graph: what it is, what it reads, whether its order matters."""

    label: str
    inputs: tuple[int, ...]
    commutative: bool


Found = tuple[str, tuple[int, ...], bool]  # a vertex, if nothing that it reads is dropped


class _Kind(NamedTuple):
    """What simplifying has to know of a node, the same wherever its call stands."""

    label: str
    zero: str
    is_input: bool
    is_identity: bool
    is_sum: bool
    is_zero: bool
    keeps_zero: bool
    commutative: bool
    needed: bool


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
    return digest_of(*simplify(graph))


def digest_of(vertices: list[Vertex], outputs: list[int]) -> str:
    """The digest of a simplified graph, whatever it was simplified to."""
    colours = _refine(vertices, [_label_hash(v.label) for v in vertices], outputs)
    return _hash(b"".join(sorted(_untie(vertices, colours)))).hex()


def simplify(graph: Graph) -> tuple[list[Vertex], list[int]]:
    """Fold identities and zeros, then drop what neither reaches an output nor costs anything.

    A zero is a leaf of its shape; sums drop it, ops that keep zero pass it on. A convolution of a
    zero stays: its normalisation's bias can still be learned, and it costs parameters. Nodes
    without cost that do the same to the same inputs are one vertex.
    """
    vertices: list[Found] = []
    needed: list[bool] = []
    place: list[int] = []
    free: dict[Found, int] = {}
    zeros: set[int] = set()

    def vertex(new: Found, need: bool) -> int:
        found = len(vertices) if need else free.setdefault(new, len(vertices))
        if found == len(vertices):
            vertices.append(new)
            needed.append(need)
        return found

    for index, (node, call) in enumerate(zip(graph, graph.calls, strict=True)):
        kind = _kind(call)
        inputs = [place[i] for i in node.inputs]
        if kind.is_sum and zeros:
            inputs = [i for i in inputs if i not in zeros]
        if kind.is_identity or (kind.is_sum and len(inputs) == 1):
            place.append(inputs[0])
        elif kind.is_zero or (kind.keeps_zero and zeros.issuperset(inputs)):
            place.append(vertex((kind.zero, (), False), False))
            zeros.add(place[-1])
        else:
            label = f"{kind.label} {graph.inputs.index(index)}" if kind.is_input else kind.label
            if kind.commutative:
                inputs.sort()
            place.append(vertex((label, tuple(inputs), kind.commutative), kind.needed))
    return drop_dead(vertices, needed, [place[o] for o in graph.outputs])


@lru_cache(2**14)
def _kind(call: Call) -> _Kind:
    op, costly = call.op, call.cost != (0, 0)
    return _Kind(
        label=repr(op),
        zero=f"zero {call.shape}",
        is_input=isinstance(op, Input),
        is_identity=isinstance(op, Identity),
        is_sum=isinstance(op, Add),
        is_zero=isinstance(op, Zero),
        keeps_zero=op.keeps_zero and not costly,
        commutative=op.commutative,
        needed=costly or isinstance(op, Input),
    )


def drop_dead(
    vertices: list[Found], keep: list[bool], outputs: list[int]
) -> tuple[list[Vertex], list[int]]:
    """Only what an output or a vertex of ``keep`` depends on, and the outputs' new places."""
    keep = list(keep)
    for out in outputs:
        keep[out] = True
    for index in range(len(vertices) - 1, -1, -1):
        if keep[index]:
            for source in vertices[index][1]:
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
    for (_, inputs, commutative), label in zip(vertices, labels, strict=True):
        if len(inputs) == 1:
            read = colours[inputs[0]]
        else:
            every = [colours[i] for i in inputs]
            read = b"".join(sorted(every) if commutative else every)
        colours.append(_hash(label + read))
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
        _, inputs, commutative = vertices[index]
        around[index] = _hash(colours[index] + b"".join(sorted(readers[index])))
        first = around[index] + _FIRST
        for place, source in enumerate(inputs):
            at = first if commutative or not place else around[index] + place.to_bytes(4, "big")
            readers[source].append(at)
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
            marked[place[i]] = _hash(b"marked" + colours[i])
            untied[i] = _hash(colours[i] + b"".join(sorted(_refine(inside, marked))))
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


def _hash(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()


@lru_cache(2**14)
def _label_hash(label: str) -> bytes:
    return _hash(label.encode())


_FIRST = bytes(4)
_OUTPUT = _hash(b"output")
