"""DARTS's recurrent cell with every activation on every edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from nascout.graph import Builder, Graph
from nascout.graph.gates import Sigmoid
from nascout.graph.mixing import Mixed
from nascout.graph.ops import BatchNorm, Linear, Zero
from nascout.graph.recurrent import Blend, Mean, Tanh
from nascout.space.architecture import Architecture
from nascout.space.decision import Choice
from nascout.space.highway_cell import ACTIVATIONS
from nascout.space.relaxation import Kept, Relaxation
from nascout.space.superposition import NONE

if TYPE_CHECKING:
    from nascout.space.darts_rnn import DartsRnn

__all__ = ["DartsRnnRelaxation"]

OPTIONS: Final = (NONE, "tanh", "relu", "sigmoid", "identity")  # as the released code orders them
NODES: Final = range(1, 9)


@dataclass(frozen=True)
class DartsRnnRelaxation(Relaxation):
    """Each of eight nodes sums edges from all nodes before it; an edge mixes five options.

    DARTS, arXiv:1806.09055, sections 2.2 and 3.1.2. With the gates p of an edge from node s, its
    weights W and V, and c = sigmoid(V s), the edge gives

        sum over activations f of p_f · (s + c · (f(W s) - s))

    and nothing for ``none``, which only takes a share of the softmax. Node 0 is that of the space.
    Every node is normalised over the batch, without weights; the mean of all but node 0 is the
    output. The 36 edges are called ``0->1`` to ``7->8``. Nodes have the keys of the space's own
    graphs, so in a :class:`nascout.network.supernet.Supernet` both have the same weights.

    Args:
        space: with the width of the relaxed cell; 300 in the paper's search.
        normalised: whether nodes are normalised. With one gate of each node open and no
            normalisation, the output is that of the discrete cell.

    Deviation: in the released code the edges into a node have one pair of matrices in common; here
    each has its own, as in ENAS (arXiv:1802.03268, section 2.1).

    Example:
        >>> from nascout.space import SPACES
        >>> relaxation = DartsRnnRelaxation(SPACES["darts_rnn"](width=4))
        >>> len(relaxation.edges), relaxation.edges[0].options
        (36, ('none', 'tanh', 'relu', 'sigmoid', 'identity'))
    """

    space: DartsRnn
    normalised: bool = True

    @cached_property
    def edges(self) -> tuple[Choice, ...]:
        """Every pair of an earlier and a later node, with ``none`` and the activations."""
        return tuple(Choice(f"{i}->{node}", OPTIONS) for node in NODES for i in range(node))

    def graph(self, kept: Kept | None = None) -> Graph:
        """One step: inputs x and h, output h; a vector of gates for each edge."""
        keep = {edge.name: edge.options for edge in self.edges} | dict(kept or {})
        g, (x, h) = self.space.begin()
        both = g.concat(x, h, key="node0/concat")
        gate, state = self._linears(g, both, "node0")
        first = g.node(Tanh(), state, key="node0/tanh")
        states = [self._norm(g, g.node(Blend(), gate, first, h, key="node0/blend"), 0)]
        for node in NODES:
            ends = [self._edge(g, i, node, s, keep[f"{i}->{node}"]) for i, s in enumerate(states)]
            states.append(self._norm(g, g.add(*ends, key=f"node{node}/add"), node))
        return g.graph(g.node(Mean(), *states[1:], key="mean"))

    def _edge(self, g: Builder, source: int, node: int, s: int, kept: Sequence[str]) -> int:
        name = f"{source}->{node}"
        active = [option for option in OPTIONS if option in kept and option != NONE]
        if not active:
            return g.node(Zero(), s, key=f"{name}/zero")
        gate, state = self._linears(g, s, name)
        made = [g.node(ACTIVATIONS[op], state, key=f"{name}/{op}") for op in active]
        # The blend is linear: blending both mixtures is mixing the blends, with fewer of them.
        mixed, gates = Mixed(tuple(map(OPTIONS.index, active))), g.gates(name, len(OPTIONS))
        changed = g.node(mixed, gates, *made, key=f"{name}/mixed")
        carried = g.node(mixed, gates, *[s] * len(active), key=f"{name}/carried")
        return g.node(Blend(), gate, changed, carried, key=f"{name}/blend")

    def _linears(self, g: Builder, x: int, key: str) -> tuple[int, int]:
        linear = Linear(self.space.width, bias=False)
        gate = g.chain((linear, Sigmoid()), x, key=f"{key}/gate")
        return gate, g.node(linear, x, key=f"{key}/state/linear")

    def _norm(self, g: Builder, x: int, node: int) -> int:
        return g.node(BatchNorm(), x, key=f"node{node}/norm") if self.normalised else x

    def derive(self, weights: Mapping[str, Sequence[float]]) -> Architecture:
        """The strongest edge into each node, with its strongest activation (section 2.4)."""
        choices: dict[str, str] = {}
        for node in NODES:
            pairs = [
                (weight, op, str(i))
                for i in range(node)
                for op, weight in zip(OPTIONS, weights[f"{i}->{node}"], strict=True)
                if op != NONE
            ]
            _, choices[f"node{node}_op"], choices[f"node{node}_input"] = max(
                pairs, key=lambda pair: pair[0]
            )
        return self.space.architecture(choices)
