"""A coarser digest: the same for graphs that most training-free scores cannot tell apart.

:mod:`nascout.graph.canonical` counts all that costs something. This counts what a fresh network
does: what its outputs are, and what its nonlinearities read. Left out is every other operation
that no output depends on, or only through zeros, whatever it costs. Sums of sums are one sum. What
a convolution without bias and a normalisation make of zeros is zeros, as a fresh normalisation
shifts by zero.

Nonlinearities count, each by itself, wherever they are part of the network: naswot and its kind
read them, also where a ``Zero`` follows. So NAS-Bench-201 has 5,618 digests here, of 7,563. With
sums flattened and zeros dropped its cells read as 4,930 texts; but a text that says
``conv(x) + conv(x)`` does not say whether that is one convolution twice. Told apart, they are 5,260
outputs, and the rest is nonlinearities that lead nowhere or read zeros.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from nascout.graph.canonical import Found, Vertex, digest_of, drop_dead
from nascout.graph.graph import Call, Graph
from nascout.graph.op import Op
from nascout.graph.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    DepthwiseConv2d,
    GlobalAvgPool,
    Identity,
    Input,
    Linear,
    MaxPool,
    Zero,
)
from nascout.graph.shape import Shape

__all__ = ["function_digest", "function_form"]

# What counts by its values alone. Any other operation may be, or hold, a nonlinearity.
BY_VALUE: Final[frozenset[type[Op]]] = frozenset(
    [
        *(Input, Identity, Zero, Add, Concat),
        *(Conv2d, DepthwiseConv2d, Linear, BatchNorm),
        *(AvgPool, MaxPool, GlobalAvgPool),
    ]
)


def function_digest(graph: Graph) -> str:
    """32 hex digits: equal for graphs that fresh networks' scores cannot tell apart.

    It is another one than :func:`nascout.graph.digest` of the same graph.

    >>> from nascout.graph.builder import Builder
    >>> from nascout.graph.canonical import digest
    >>> from nascout.graph.ops import Conv2d, ReLU
    >>> def rectified(*unread):
    ...     g = Builder(); x = g.input((3, 8, 8))
    ...     g.chain(unread, x, key="unread")
    ...     return g.graph(g.node(ReLU(), x, key="relu"))
    >>> one, other = rectified(), rectified(Conv2d(8, 3))
    >>> digest(one) == digest(other), function_digest(one) == function_digest(other)
    (False, True)
    """
    return digest_of(*function_form(graph))


def function_form(graph: Graph) -> tuple[list[Vertex], list[int]]:
    """The graph with every sum flat, without what does nothing; and where its outputs are.

    A term that a sum holds k times is one vertex, ``k times`` it. Zeros are a leaf of their shape.
    What learns is a vertex of its own, and so is every nonlinearity; anything else that does the
    same to the same inputs is one vertex.
    """
    form = _Form()
    place: list[int] = []
    for index, (node, call, live) in enumerate(zip(graph, graph.calls, graph.live, strict=True)):
        kind, inputs = _kind(call), [place[i] for i in node.inputs]
        if isinstance(call.op, Input):
            label = f"{kind.label} {graph.inputs.index(index)}"
            place.append(form.vertex((label, (), False), own=True, need=True))
        elif isinstance(call.op, Identity):
            place.append(inputs[0])
        elif isinstance(call.op, Add):
            place.append(form.sum(kind.label, inputs, call.shape))
        else:
            place.append(form.operation(kind, inputs, call.shape, need=live and not kind.by_value))
    return drop_dead(form.vertices, form.needed, [place[out] for out in graph.outputs])


class _Kind(NamedTuple):
    """What matters of a node, the same wherever its call stands."""

    label: str
    by_value: bool
    learns: bool
    gives_zero: bool
    keeps_zero: bool
    commutative: bool


@lru_cache(2**14)
def _kind(call: Call) -> _Kind:
    op = call.op
    by_value = type(op) in BY_VALUE
    shifts = "bias" in op.weights(*call.inputs) and not isinstance(op, BatchNorm)
    return _Kind(
        label=repr(op),
        by_value=by_value,
        learns=call.cost != (0, 0),
        gives_zero=isinstance(op, Zero),
        keeps_zero=op.keeps_zero or (by_value and not shifts),
        commutative=op.commutative,
    )


class _Form:
    """Collects the vertices of a graph."""

    def __init__(self) -> None:
        self.vertices: list[Found] = []
        self.needed: list[bool] = []
        self.zeros: set[int] = set()
        # The terms of every sum, each with how often it is there.
        self._terms: dict[int, dict[int, int]] = {}
        self._shared: dict[Found, int] = {}

    def vertex(self, new: Found, *, own: bool = False, need: bool = False) -> int:
        """Its index: that of an equal one, unless it is to be a vertex of its own."""
        found = len(self.vertices) if own else self._shared.setdefault(new, len(self.vertices))
        if found == len(self.vertices):
            self.vertices.append(new)
            self.needed.append(need)
        return found

    def zero(self, shape: Shape) -> int:
        """Zeros of this shape."""
        found = self.vertex((f"zero {shape}", (), False))
        self.zeros.add(found)
        return found

    def sum(self, label: str, inputs: Iterable[int], shape: Shape) -> int:
        """A sum that reads no sum and no zeros."""
        terms: dict[int, int] = {}
        for i in inputs:
            if i not in self.zeros:
                for term, k in self._terms.get(i, {i: 1}).items():
                    terms[term] = terms.get(term, 0) + k
        if not terms:
            return self.zero(shape)
        read = [i if k == 1 else self.vertex((f"{k} times", (i,), False)) for i, k in terms.items()]
        found = self.vertex((label, tuple(sorted(read)), True)) if len(read) > 1 else read[0]
        if found not in terms:
            self._terms[found] = terms
        return found

    def operation(self, kind: _Kind, inputs: list[int], shape: Shape, *, need: bool) -> int:
        """Anything but an input, an identity or a sum."""
        if kind.gives_zero:
            return self.zero(shape)
        if kind.commutative:
            inputs.sort()
        own, vanishes = kind.learns or not kind.by_value, self.zeros.issuperset(inputs)
        if kind.keeps_zero and vanishes:
            if need:
                self.vertex((kind.label, tuple(inputs), kind.commutative), own=True, need=True)
            return self.zero(shape)
        return self.vertex((kind.label, tuple(inputs), kind.commutative), own=own, need=need)
