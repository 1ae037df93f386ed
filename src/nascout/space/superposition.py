"""Several options of a decision at once: what the graphs of supernets are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from nascout.graph import Builder
from nascout.graph.mixing import Mixed
from nascout.space.architecture import Architecture
from nascout.space.space import Space

__all__ = ["NONE", "Superposition", "pick", "superposed"]

NONE: Final = "none"  # the option that gives zeros, in every space that has it
MARK: Final = "|"


def superposed(decision: str, options: Sequence[str], kept: Sequence[str]) -> str:
    """The value of a decision that stands for several of its options.

    Args:
        decision: its name, which its gates have too.
        options: all of them; their order is that of the gates.
        kept: those that are part of the graph, at least one.
    """
    shown = (option if option in kept else "" for option in options)
    return MARK.join((decision, *shown))


def pick(
    g: Builder, value: str, build: Callable[[str, str], int], key: str, *, alone: str | None = None
) -> int:
    """What a decision says, whether it stands for one option or for several.

    Several are mixed behind gates; among them, ``none`` needs no node.

    Args:
        g: the graph that grows.
        value: an option, or what :func:`superposed` made of several.
        build: adds the nodes of an option, under a prefix of its own for their keys, and returns
            the last one.
        key: that prefix.
        alone: the prefix where ``value`` is one option, if it has no part of the option's name.
    """
    decision, *options = value.split(MARK)
    if not options:
        return build(value, f"{key}/{value}" if alone is None else alone)
    kept = [place for place, option in enumerate(options) if option]
    mixed = [place for place in kept if options[place] != NONE] or kept
    nodes = [build(options[place], f"{key}/{options[place]}") for place in mixed]
    gates = g.gates(decision, len(options))
    return g.node(Mixed(tuple(mixed)), gates, *nodes, key=f"{key}/mixed")


class Superposition(Architecture):
    """An architecture of which some decisions keep several options; it has a graph, no notation.

    A space can hold one if its ``graph`` makes what depends on those decisions by :func:`pick`.
    """

    def __post_init__(self) -> None:
        """Its values are no options, so they are not checked."""

    @classmethod
    def of(cls, space: Space, kept: Mapping[str, Sequence[str]]) -> Superposition:
        """All decisions of ``space`` by name, with the options that are kept."""
        return cls(
            space, tuple(superposed(c.name, c.options, kept[c.name]) for c in space.decisions)
        )
