"""Cells of nodes that each change one earlier node through a gate: ENAS's, then DARTS's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nascout.graph import Builder, Graph, Op
from nascout.graph.gates import Sigmoid
from nascout.graph.ops import Identity, Linear, ReLU
from nascout.graph.recurrent import Blend, Mean, Tanh
from nascout.space.architecture import Architecture
from nascout.space.recurrent import RecurrentSpace

__all__ = ["ACTIVATIONS", "HighwayCell", "Step"]

ACTIVATIONS: Final[Mapping[str, Op]] = {
    "tanh": Tanh(),
    "relu": ReLU(),
    "identity": Identity(),
    "sigmoid": Sigmoid(),
}
MEAN: Final = Mean()

Step = tuple[str, int]  # activation, and the node that is read


@dataclass(frozen=True)
class HighwayCell(RecurrentSpace):
    """Node 0 reads x and h side by side; node i > 0 reads an earlier node s.

    A node is c · f(W s) + (1 - c) · s with the gate c = sigmoid(V s); node 0 blends its f with
    h, the state before. Matrices have no bias. The output is the mean of some nodes.
    """

    @abstractmethod
    def steps(self, choices: Mapping[str, str | None]) -> tuple[Step, ...]:
        """Node by node, its activation and the node that it reads; 0 for node 0 itself."""

    def averaged(self, steps: Sequence[Step]) -> tuple[int, ...]:
        """The nodes whose mean is the output: those that no node reads."""
        read = {source for _, source in steps[1:]}
        return tuple(node for node in range(len(steps)) if node not in read)

    def graph(self, architecture: Architecture) -> Graph:
        """One step: inputs x and h, output h."""
        g, (x, h) = self.begin()
        (first, _), *rest = steps = self.steps(architecture.choices)
        both = g.concat(x, h, key="node0/concat")
        nodes = [self._node(g, first, both, carried=h, key="node0")]
        for index, (activation, source) in enumerate(rest, 1):
            read = nodes[source]
            nodes.append(self._node(g, activation, read, carried=read, key=f"{source}->{index}"))
        chosen = [nodes[i] for i in self.averaged(steps)]
        return g.graph(g.node(MEAN, *chosen, key="mean") if len(chosen) > 1 else chosen[0])

    def _node(self, g: Builder, activation: str, x: int, *, carried: int, key: str) -> int:
        linear = Linear(self.width, bias=False)
        gate = g.chain((linear, Sigmoid()), x, key=f"{key}/gate")
        state = g.node(linear, x, key=f"{key}/state/linear")
        state = g.node(ACTIVATIONS[activation], state, key=f"{key}/{activation}")
        return g.node(Blend(), gate, state, carried, key=f"{key}/blend")
