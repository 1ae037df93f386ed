"""Zoph and Le's recurrent cells: a binary tree from the input to the output."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, Final

from nascout.graph import Builder, Graph
from nascout.graph.ops import Add, Linear
from nascout.graph.recurrent import Hadamard
from nascout.space.architecture import Architecture
from nascout.space.decision import Choice
from nascout.space.highway_cell import ACTIVATIONS
from nascout.space.recurrent import RecurrentSpace
from nascout.space.space import space

__all__ = ["ZophLeRnn"]

COMBINES: Final = {"add": Add(), "elem_mult": Hadamard()}
OPS: Final = ("identity", "tanh", "sigmoid", "relu")


@space("zoph_le_rnn", paper="arXiv:1611.01578")
class ZophLeRnn(RecurrentSpace):
    """Recurrent cells that are binary trees of eight leaves: 8^16 · 15^2 = 6.3e16 (section 3.4).

    A leaf combines W x and U h by a sum or a product and applies an activation; an inner node
    combines its two children in the same way, without parameters. Tree node ``base + k`` has the
    children ``2 k`` and ``2 k + 1``, the last one is the root and gives the next h. The memory c
    is combined with the result of one node, behind which stands one more activation; the next c
    is what another node combined, before its activation. The paper does not say among how many
    nodes these two are picked; among all of them, the space has the size that it states, 6e16.

    Two layers and 10,000 words have 16 matrices each and the embedding. The paper gives no
    width: 740 makes 24.9M parameters where the decoder's matrix is the embedding's, and 32.3M
    where it is not (the paper: 25M and 32M).

    Args:
        width: of the embedded word, h and c.
        base: leaves of the tree.

    Deviation: matrices have no bias; the paper shows none.

    Example:
        >>> g = ZophLeRnn(width=4, base=2).parse(
        ...     "node0_combine=add,node0_op=tanh,node1_combine=elem_mult,node1_op=relu,"
        ...     "node2_combine=elem_mult,node2_op=sigmoid,inject_node=0,inject_combine=add,"
        ...     "inject_op=relu,memory_node=1"
        ... ).graph()  # the example of the paper's figure 5
        >>> [g.nodes[i].key for i in g.outputs]
        ['node2/sigmoid', 'node1/elem_mult']
    """

    width: int = 740
    base: int = 8

    states: ClassVar[tuple[str, ...]] = ("h", "c")

    @cached_property
    def decisions(self) -> tuple[Choice, ...]:
        """Each node's combination and activation, how and where c enters, where it is made."""
        nodes = tuple(map(str, range(2 * self.base - 1)))
        names = [*(f"node{i}" for i in nodes), "inject"]
        choices = [
            choice
            for name in names
            for choice in (Choice(f"{name}_combine", tuple(COMBINES)), Choice(f"{name}_op", OPS))
        ]
        return (*choices, Choice("inject_node", nodes), Choice("memory_node", nodes))

    def graph(self, architecture: Architecture) -> Graph:
        """One step: inputs x, h and c, outputs h and c."""
        choices = {name: str(value) for name, value in architecture.choices.items()}
        g, (x, h, c) = self.begin()
        combined: list[int] = []
        made: list[int] = []

        def join(name: str, *inputs: int) -> tuple[int, int]:
            how, op = choices[f"{name}_combine"], choices[f"{name}_op"]
            node = g.node(COMBINES[how], *inputs, key=f"{name}/{how}")
            return node, g.node(ACTIVATIONS[op], node, key=f"{name}/{op}")

        for index in range(2 * self.base - 1):
            name, first = f"node{index}", 2 * (index - self.base)
            inputs = self._leaf(g, x, h, name) if first < 0 else made[first : first + 2]
            before, after = join(name, *inputs)
            if choices["inject_node"] == str(index):
                _, after = join("inject", after, c)
            combined.append(before)
            made.append(after)
        return g.graph(made[-1], combined[int(choices["memory_node"])])

    def _leaf(self, g: Builder, x: int, h: int, name: str) -> list[int]:
        linear = Linear(self.width, bias=False)
        return [g.node(linear, v, key=f"{name}/{k}/linear") for k, v in (("x", x), ("h", h))]
