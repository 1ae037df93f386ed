"""A space relaxed: several operations on an edge, mixed by gates, and back to one of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nascout.errors import ConfigError
from nascout.graph import Graph
from nascout.space.architecture import Architecture
from nascout.space.decision import Choice
from nascout.space.space import Space
from nascout.space.superposition import Superposition

__all__ = ["ByDecision", "Kept", "Relaxation", "need_whole"]

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

    Args:
        space: one whose graphs are made by :func:`nascout.space.superposition.pick`.
        partial: one in how many channels the operations read; more than 1 only where the space
            makes its edges by :func:`nascout.space.superposition.partly`.
        inputs: gates that weigh the edges into a node, where channels are partial.
    """

    space: Space
    partial: int = 1
    inputs: tuple[Choice, ...] = ()

    def __post_init__(self) -> None:
        channels = getattr(self.space, "channels", 1)
        if self.partial < 1 or channels % self.partial:
            raise ConfigError(
                f"one in {self.partial} of {channels} channels",
                "Give a divisor of the space's channels.",
            )

    @property
    def edges(self) -> tuple[Choice, ...]:
        """The space's decisions, and the gates of ``inputs``."""
        return (*self.space.decisions, *self.inputs)

    def graph(self, kept: Kept | None = None) -> Graph:
        """The space's network, with several options where there was one."""
        everything = {choice.name: choice.options for choice in self.space.decisions}
        return Superposition.of(self.space, {**everything, **(kept or {})}, self.partial).graph()

    def derive(self, weights: Mapping[str, Sequence[float]]) -> Architecture:
        """The option of the largest weight on every edge."""
        decisions = self.space.decisions
        return self.space.decode([w for choice in decisions for w in weights[choice.name]])


def need_whole(space: Space, partial: int) -> int:
    """``partial``, which must be 1.

    Raises:
        ConfigError: it is not.
    """
    if partial != 1:
        raise ConfigError(
            f"the operations of {space.name} read all channels",
            "Set partial=1, or search nasbench201 or darts.",
        )
    return partial
