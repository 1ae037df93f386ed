"""A digest that is the same for graphs that are the same network.

Node order, keys, the order of a sum's terms, identities and added zeros do not count; everything
that costs parameters does, used or not. Two graphs with one digest therefore compute the same
family of functions at the same params and MACs.

Method: colour refinement (Weisfeiler and Leman) on the DAG: one pass from the inputs, one from
the outputs, one more from the inputs. Isomorphic graphs always agree. Different ones could only
collide where colour refinement is blind; the tests compare it with exact isomorphism.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from nascout.graph.graph import Graph
from nascout.graph.ops import Add, Identity, Input, Zero

__all__ = ["digest", "simplify"]


@dataclass
class _Vertex:
    """A node of the simplified graph: what it is, what it reads, whether its order matters."""

    label: str
    inputs: list[int]
    commutative: bool
    owns_weights: bool


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
    up = _upward(vertices, [v.label for v in vertices])
    around = _downward(vertices, up, outputs)
    final = _upward(vertices, around)
    return _hash([*sorted(final), *(final[o] for o in outputs)])


def simplify(graph: Graph) -> tuple[list[_Vertex], list[int]]:
    """Fold identities and zeros, then drop what neither reaches an output nor owns weights.

    A zero is a leaf of its shape; sums drop it, ops that keep zero pass it on. A convolution of a
    zero stays: its normalisation's bias can still be learned, and it costs parameters.
    """
    vertices: list[_Vertex] = []
    place: list[int] = []
    zeros: dict[str, int] = {}

    def vertex(label: str, inputs: list[int], commutative: bool, owns: bool) -> int:
        vertices.append(_Vertex(label, inputs, commutative, owns))
        return len(vertices) - 1

    def zero(shape: str) -> int:
        if shape not in zeros:
            zeros[shape] = vertex(f"zero {shape}", [], False, False)
        return zeros[shape]

    zero_ids = zeros.values()
    for index, node in enumerate(graph):
        inputs = [place[i] for i in node.inputs]
        shape = str(graph.shapes[index])
        owns = bool(node.op.weights(*graph.input_shapes(index)))
        if isinstance(node.op, Add):
            inputs = [i for i in inputs if i not in zero_ids]
        if isinstance(node.op, Identity) or (isinstance(node.op, Add) and len(inputs) == 1):
            place.append(inputs[0])
        elif (
            isinstance(node.op, Zero)
            or (isinstance(node.op, Add) and not inputs)
            or (node.op.keeps_zero and all(i in zero_ids for i in inputs))
        ):
            place.append(zero(shape))
        else:
            label = f"{type(node.op).__name__} {json.dumps(node.op.attributes(), sort_keys=True)}"
            if isinstance(node.op, Input):
                label += f" {graph.inputs.index(index)}"
            place.append(vertex(label, inputs, node.op.commutative, owns))
    return _drop_dead(vertices, [place[o] for o in graph.outputs])


def _drop_dead(vertices: list[_Vertex], outputs: list[int]) -> tuple[list[_Vertex], list[int]]:
    keep = [v.owns_weights or v.label.startswith("Input ") for v in vertices]
    for out in outputs:
        keep[out] = True
    for index in range(len(vertices) - 1, -1, -1):
        if keep[index]:
            for source in vertices[index].inputs:
                keep[source] = True
    place = {old: new for new, old in enumerate(i for i, kept in enumerate(keep) if kept)}
    kept = [
        _Vertex(v.label, [place[i] for i in v.inputs], v.commutative, v.owns_weights)
        for i, v in enumerate(vertices)
        if keep[i]
    ]
    return kept, [place[o] for o in outputs]


def _upward(vertices: list[_Vertex], labels: list[str]) -> list[str]:
    """Colour every vertex by its label and the colours it reads."""
    colours: list[str] = []
    for vertex, label in zip(vertices, labels, strict=True):
        read = [colours[i] for i in vertex.inputs]
        colours.append(_hash([label, *(sorted(read) if vertex.commutative else read)]))
    return colours


def _downward(vertices: list[_Vertex], colours: list[str], outputs: list[int]) -> list[str]:
    """Colour every vertex by its colour and who reads it, at which place."""
    readers: list[list[str]] = [[] for _ in vertices]
    for place, out in enumerate(outputs):
        readers[out].append(f"output {place}")
    around = list(colours)
    for index in range(len(vertices) - 1, -1, -1):
        around[index] = _hash([colours[index], *sorted(readers[index])])
        vertex = vertices[index]
        for place, source in enumerate(vertex.inputs):
            readers[source].append(f"{around[index]} {0 if vertex.commutative else place}")
    return around


def _hash(parts: Iterable[str]) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
