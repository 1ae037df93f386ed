"""ENAS: recurrent cells of twelve gated nodes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Final

from nascout.errors import ArchitectureError
from nascout.space.architecture import Architecture
from nascout.space.decision import Choice
from nascout.space.highway_cell import ACTIVATIONS, HighwayCell, Step
from nascout.space.space import space

__all__ = ["EnasRnn"]

OPS: Final = tuple(ACTIVATIONS)  # in the order of the released code's numbers


@space("enas_rnn", paper="arXiv:1802.03268")
class EnasRnn(HighwayCell):
    """Recurrent cells of twelve nodes: 4^12 · 11! = 6.7e14 (section 2.1; the paper: 1e15).

    Every node picks an activation, and every one but the first an earlier node, which it reads
    behind a gate. The output is the mean of the nodes that no node reads.

    At the released width of 748, a language model of one such layer over 10,000 words has
    22,037,104 parameters for every cell, 14,547,104 of them in the cell, if the decoder's matrix
    is the embedding's. The paper says 24M and gives no width; with these matrices 24M would take
    a width of 787.

    Args:
        width: of the embedded word and of the state.
        nodes: how many.

    Notation: the released code's numbers with spaces between them: node 0's activation, then of
    every other node the one that it reads and its activation. Activations are 0 tanh, 1 relu,
    2 identity, 3 sigmoid.

    Example:
        >>> EnasRnn(nodes=3).parse("0 0 1 1 3").values
        ('tanh', '0', 'relu', '1', 'sigmoid')
    """

    width: int = 748
    nodes: int = 12

    known: ClassVar[Mapping[str, str]] = {
        "enas_rnn": "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1",
    }

    @cached_property
    def decisions(self) -> tuple[Choice, ...]:
        """Each node's activation, and for all but the first the earlier node that it reads."""
        choices = [Choice("node0_op", OPS)]
        for node in range(1, self.nodes):
            choices.append(Choice(f"node{node}_input", tuple(map(str, range(node)))))
            choices.append(Choice(f"node{node}_op", OPS))
        return tuple(choices)

    def steps(self, choices: Mapping[str, str | None]) -> tuple[Step, ...]:
        """What decisions say of every node."""
        return tuple(
            (str(choices[f"node{i}_op"]), int(choices.get(f"node{i}_input") or 0))
            for i in range(self.nodes)
        )

    def parse(self, text: str) -> Architecture:
        """Read the released numbers.

        Raises:
            ArchitectureError: not as many numbers as decisions, or one that is not of the space.
        """
        numbers = text.split()
        if len(numbers) != len(self.decisions):
            raise ArchitectureError(
                f"{len(numbers)} numbers for {self.nodes} nodes",
                f"Write {len(self.decisions)}, such as {self.known['enas_rnn']}",
            )
        named = {str(i): op for i, op in enumerate(OPS)}
        pairs = zip(self.decisions, numbers, strict=True)
        return Architecture(
            self, tuple(named.get(n, n) if c.name.endswith("_op") else n for c, n in pairs)
        )

    def format(self, architecture: Architecture) -> str:
        """The released numbers."""
        (first, _), *steps = self.steps(architecture.choices)
        numbers = [OPS.index(first), *(n for op, source in steps for n in (source, OPS.index(op)))]
        return " ".join(map(str, numbers))
