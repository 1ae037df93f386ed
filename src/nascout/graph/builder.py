"""Writing a graph down: a list of nodes that grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nascout.graph.graph import Graph, Node
from nascout.graph.op import Op
from nascout.graph.ops import Add, Concat, Input

__all__ = ["GATES", "Builder"]

ADD: Final = Add()
CONCAT: Final = Concat()
GATES: Final = "gates"  # what the keys of inputs that hold gates begin with


class Builder:
    """Collects nodes; every method returns the index of the node it made.

    >>> from nascout.graph.ops import Conv2d, ReLU
    >>> g = Builder()
    >>> x = g.input((3, 8, 8))
    >>> y = g.chain((ReLU(), Conv2d(4, 3)), x, key="block")
    >>> [node.key for node in g.graph(y)]
    ['input', 'block/relu', 'block/conv2d']
    """

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._keys: set[str] = set()
        self._gates: dict[str, int] = {}

    def node(self, op: Op, *inputs: int, key: str) -> int:
        """Add one node; a key already taken gets a number behind it."""
        unique, count = key, 2
        while unique in self._keys:
            unique, count = f"{key}{count}", count + 1
        self._keys.add(unique)
        self._nodes.append(Node(op, inputs, unique))
        return len(self._nodes) - 1

    def input(self, shape: tuple[int, ...], key: str = "input") -> int:
        """Add an input of one sample's ``shape``."""
        return self.node(Input(tuple(shape)), key=key)

    def gates(self, name: str, count: int) -> int:
        """The input that holds the ``count`` gates called ``name``, wherever they are read."""
        if name not in self._gates:
            self._gates[name] = self.input((count,), key=f"{GATES}/{name}")
        return self._gates[name]

    def chain(self, ops: Sequence[Op], x: int, key: str) -> int:
        """Apply ``ops`` one after the other; no ops give ``x`` itself."""
        for op in ops:
            x = self.node(op, x, key=f"{key}/{op.label}")
        return x

    def add(self, *xs: int, key: str) -> int:
        """The sum of ``xs``; one alone is itself."""
        return xs[0] if len(xs) == 1 else self.node(ADD, *xs, key=key)

    def concat(self, *xs: int, key: str) -> int:
        """``xs`` side by side; one alone is itself."""
        return xs[0] if len(xs) == 1 else self.node(CONCAT, *xs, key=key)

    def graph(self, *outputs: int) -> Graph:
        """What was written, as an immutable graph."""
        return Graph(tuple(self._nodes), outputs)
