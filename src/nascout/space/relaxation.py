"""A space relaxed: several operations on an edge, mixed by gates, and back to one of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nascout.graph import Graph
from nascout.space.architecture import Architecture
from nascout.space.decision import Choice
from nascout.space.space import Space
from nascout.space.superposition import Superposition

__all__ = ["Kept", "ByDecision", "Relaxation"]

Kept = Mapping[str, Sequence[str]]


class Relaxation(ABC):
    """What weight sharing by mixed operations needs of a space.

    Attributes:
        space: the one that is relaxed.
        edges: the decisions of the relaxed network; :class:`ByDecision` says which they are.
    """

    space: Space

    @property
    @abstractmethod
    def edges(self) -> tuple[Choice, ...]:
        """Where operations are mixed, and which; an edge may be in many cells of the network."""

    @abstractmethod
    def graph(self, kept: Kept | None = None) -> Graph:
        """The network with the options ``kept`` of every edge, by default all of them.

        Its inputs are those of the space's networks and then one vector of gates per edge, called
        ``gates/NAME``, with a gate per option, kept or not; see
        :class:`nascout.graph.mixing.Mixed`.
        """

    @abstractmethod
    def derive(self, weights: Mapping[str, Sequence[float]]) -> Architecture:
        """The architecture that stays when each edge has ``weights``, one per option."""


@dataclass(frozen=True)
class ByDecision(Relaxation):
    """A space whose decisions each choose what stands in one place: they are the edges.

    What is derived has the option of the largest weight, the first of equals.
    """

    space: Space

    @property
    def edges(self) -> tuple[Choice, ...]:
        """The space's decisions."""
        return self.space.decisions

    def graph(self, kept: Kept | None = None) -> Graph:
        """The space's network, with several options where there was one."""
        everything = {edge.name: edge.options for edge in self.edges}
        return Superposition.of(self.space, {**everything, **(kept or {})}).graph()

    def derive(self, weights: Mapping[str, Sequence[float]]) -> Architecture:
        """The option of the largest weight on every edge."""
        return self.space.decode([w for edge in self.edges for w in weights[edge.name]])
