"""DARTS: recurrent cells of eight gated nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from nascout.errors import ArchitectureError
from nascout.space.architecture import Architecture
from nascout.space.cell_genotype import read_genotype
from nascout.space.darts_rnn_relaxation import DartsRnnRelaxation
from nascout.space.decision import Choice
from nascout.space.highway_cell import HighwayCell, Step
from nascout.space.relaxation import need_whole
from nascout.space.space import space

__all__ = ["DartsRnn"]

OPS: Final = ("tanh", "relu", "sigmoid", "identity")
NODES: Final = range(1, 9)
DECISIONS: Final = tuple(
    choice
    for node in NODES
    for choice in (
        Choice(f"node{node}_op", OPS),
        Choice(f"node{node}_input", tuple(map(str, range(node)))),
    )
)
PARTS: Final = {"recurrent", "concat"}
EXAMPLE: Final = "Genotype(recurrent=[('relu', 0), ('tanh', 1), ...], concat=range(1, 9))"


@space("darts_rnn", paper="arXiv:1806.09055")
class DartsRnn(HighwayCell):
    """Recurrent cells of eight nodes: 4^8 · 8! = 2.6e9 (section 3.1.2 of the paper).

    Node 0 makes tanh of x and h. Each of the others applies an activation to one earlier node,
    behind a gate, and their mean is the output; ``none``, which the search weighs, is no option.

    The paper's network for Penn Treebank is a language model of one such layer: 850 wide, 10,000
    words, the decoder's matrix being the embedding's. It has 22,960,000 parameters for every
    cell, 14,450,000 of them in the cell (the paper: 23M).

    Args:
        width: of the embedded word and of the state.

    Notation: the released code's, ``Genotype(recurrent=[('relu', 0), ...],
    concat=range(1, 9))``. ``concat`` may be left out.

    Deviation: the search normalises every node over the batch; the final network does not, and
    this is the final one.

    Example:
        >>> DartsRnn().parse(DartsRnn.known["darts_rnn_v2"]).choices["node5_op"]
        'tanh'
    """

    known: ClassVar[Mapping[str, str]] = {
        "darts_rnn_v1": (
            "Genotype(recurrent=[('relu', 0), ('relu', 1), ('tanh', 2), ('relu', 3), ('relu', 4), "
            "('identity', 1), ('relu', 5), ('relu', 1)], concat=range(1, 9))"
        ),
        "darts_rnn_v2": (
            "Genotype(recurrent=[('sigmoid', 0), ('relu', 1), ('relu', 1), ('identity', 1), "
            "('tanh', 2), ('sigmoid', 5), ('tanh', 3), ('relu', 5)], concat=range(1, 9))"
        ),
    }

    @property
    def decisions(self) -> tuple[Choice, ...]:
        """Each node's activation, and the earlier node that it reads."""
        return DECISIONS

    def steps(self, choices: Mapping[str, str | None]) -> tuple[Step, ...]:
        """Node 0, and what decisions say of the others."""
        made = ((str(choices[f"node{i}_op"]), int(choices[f"node{i}_input"] or 0)) for i in NODES)
        return (("tanh", 0), *made)

    def averaged(self, steps: Sequence[Step]) -> tuple[int, ...]:
        """All but node 0."""
        return tuple(NODES)

    def relaxation(self, partial: int = 1) -> DartsRnnRelaxation:
        """Every activation on the edges from all earlier nodes."""
        need_whole(self, partial)
        return DartsRnnRelaxation(self)

    def parse(self, text: str) -> Architecture:
        """Read the released notation.

        Raises:
            ArchitectureError: text of another form, another number of nodes, an operation or
                input that is not of the space, or another mean.
        """
        parts = read_genotype(text)
        pairs, mean = parts.get("recurrent", []), parts.get("concat", list(NODES))
        try:
            if not parts.keys() <= PARTS or list(mean) != list(NODES) or len(pairs) != len(NODES):
                raise ValueError(text)
            values = [value for op, source in pairs for value in (op, str(source))]
        except (TypeError, ValueError):
            raise ArchitectureError(
                f"malformed architecture {text[:200]!r}",
                f"Write {len(NODES)} pairs of operation and node, like {EXAMPLE}",
            ) from None
        return Architecture(self, tuple(values))

    def format(self, architecture: Architecture) -> str:
        """The released notation."""
        _, *steps = self.steps(architecture.choices)
        return f"Genotype(recurrent={steps}, concat=range(1, {NODES.stop}))"
