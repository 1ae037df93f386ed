"""DARTS's cells with every operation on every edge, whole or on a part of the channels."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from nascout.errors import ConfigError
from nascout.graph import Builder, Graph
from nascout.graph.cuts import Blank
from nascout.graph.ops import BatchNorm, Zero
from nascout.space.architecture import Architecture
from nascout.space.cell_genotype import INPUTS, Block, End
from nascout.space.cell_ops import factorized_reduction, operation
from nascout.space.decision import Choice
from nascout.space.relaxation import Kept, Relaxation
from nascout.space.superposition import NONE, join, partly, superposed
from nascout.space.two_input_cell import State
from nascout.space.two_input_cell_network import cell_network

if TYPE_CHECKING:
    from nascout.space.darts import Darts

__all__ = ["DartsRelaxation"]

READ: Final = 2  # edges that a node keeps


@dataclass(frozen=True)
class DartsRelaxation(Relaxation):
    """Each of four nodes sums edges from all states before it; an edge mixes eight operations.

    DARTS, arXiv:1806.09055, section 2.2. Pools are followed by a normalisation. Edges are called
    ``normal0->2`` and so on to ``reduce4->5``.

    ``partial`` makes it the network of PC-DARTS (arXiv:1907.05737): only one in ``partial``
    channels goes through the operations, the others pass by (through a max pooling where the edge
    has a stride), and channels are shuffled. Then a node weighs its edges too, by gates called
    ``normal2_input`` and so on, whose options are the states.

    Args:
        space: with the sizes of the relaxed network.
        partial: 1 for DARTS; 4 in the PC-DARTS paper.

    Raises:
        ConfigError: ``partial`` does not divide the channels.
    """

    space: Darts
    partial: int = 1

    def __post_init__(self) -> None:
        if self.partial < 1 or self.space.channels % self.partial:
            raise ConfigError(
                f"one in {self.partial} of {self.space.channels} channels",
                "Give a divisor of the space's channels.",
            )

    @property
    def operations(self) -> tuple[str, ...]:
        """``none``, and those of the space."""
        return (NONE, *self.space.operations)

    @cached_property
    def edges(self) -> tuple[Choice, ...]:
        """Every edge with its operations; if there are partial channels, every node's inputs."""
        edges = []
        for kind in self.space.kinds:
            for node in self.space.nodes:
                edges += [Choice(f"{kind}{i}->{node}", self.operations) for i in range(node)]
                if self.partial > 1:
                    edges.append(Choice(f"{kind}{node}_input", tuple(map(str, range(node)))))
        return tuple(edges)

    def graph(self, kept: Kept | None = None) -> Graph:
        """Both cells in the space's network."""
        keep = {edge.name: edge.options for edge in self.edges} | dict(kept or {})

        def cell(g: Builder, inputs: Sequence[State], width: int, stride: int, key: str) -> State:
            kind = self.space.kinds[-1] if stride > 1 else self.space.kinds[0]
            states = [state.node for state in inputs]
            for node in self.space.nodes:
                ends = [
                    self._edge(g, (kind, i, node), keep, x, width, stride if i < INPUTS else 1, key)
                    for i, x in enumerate(states)
                ]
                states.append(self._join(g, kind, node, ends, key))
            made = states[INPUTS:]
            halvings = inputs[-1].halvings + (stride > 1)
            return State(g.concat(*made, key=f"{key}/concat"), len(made) * width, halvings)

        return cell_network(cell, self.space.conventions, self.space.sizes)

    def _edge(
        self,
        g: Builder,
        place: tuple[str, int, int],
        keep: Kept,
        x: int,
        width: int,
        stride: int,
        key: str,
    ) -> int:
        kind, source, target = place
        name = f"{kind}{source}->{target}"
        value = superposed(name, self.operations, keep[name], self.partial)
        build = functools.partial(_operation, g, stride)
        return partly(g, value, build, x, width, stride, f"{key}/{source}->{target}")

    def _join(self, g: Builder, kind: str, node: int, ends: Sequence[int], key: str) -> int:
        if self.partial == 1:
            return g.add(*ends, key=f"{key}/{node}/add")
        return join(g, ends, f"{kind}{node}_input", f"{key}/{node}/mixed")

    def derive(self, weights: Mapping[str, Sequence[float]]) -> Architecture:
        """The two strongest edges into each node, each with its strongest operation.

        Section 2.4 of DARTS: an edge is as strong as its strongest operation, and ``none`` is
        never one. With partial channels, that strength is multiplied by the edge's own weight.
        """
        choices: dict[str, str] = {}
        for kind in self.space.kinds:
            blocks = []
            for node in self.space.nodes:
                shares = weights[f"{kind}{node}_input"] if self.partial > 1 else [1.0] * node
                ends = []
                for source in range(node):
                    ranked = zip(self.operations, weights[f"{kind}{source}->{node}"], strict=True)
                    weight, op = max(((w, op) for op, w in ranked if op != NONE), key=_first)
                    ends.append((weight * shares[source], End(op, source)))
                one, other = sorted(ends, key=_first, reverse=True)[:READ]
                blocks.append(Block((one[1], other[1])))
            choices |= self.space.choices_of(kind, blocks)
        return self.space.architecture(choices)


def _first(pair: tuple[float, object]) -> float:
    return pair[0]


def _operation(g: Builder, stride: int, x: int, width: int, name: str, key: str) -> int:
    if name == NONE:
        return g.node(Zero() if stride == 1 else Blank(width, stride), x, key=f"{key}/zero")
    if name == "skip_connect" and stride > 1:
        return factorized_reduction(g, x, width, key)
    node = g.chain(operation(name, width, width, stride), x, key)
    return g.node(BatchNorm(), node, key=f"{key}/norm") if "pool" in name else node
