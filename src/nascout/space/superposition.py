"""Several options of a decision at once: what the graphs of supernets are made of."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from nascout.graph import Builder
from nascout.graph.cuts import Shuffle, Truncate
from nascout.graph.mixing import Mixed, Rest
from nascout.graph.ops import MaxPool
from nascout.space.architecture import Architecture
from nascout.space.space import Space

__all__ = ["NONE", "Superposition", "join", "partly", "pick", "superposed"]

NONE: Final = "none"  # the option that gives zeros, in every space that has it
MARK: Final = "|"


def superposed(decision: str, options: Sequence[str], kept: Sequence[str], partial: int = 1) -> str:
    """The value of a decision that stands for several of its options.

    Args:
        decision: its name, which its gates have too.
        options: all of them; their order is that of the gates.
        kept: those that are part of the graph, at least one.
        partial: one in how many channels they read, for :func:`partly`.
    """
    shown = (option if option in kept else "" for option in options)
    return MARK.join((decision, str(partial), *shown))


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
    if MARK not in value:
        return build(value, f"{key}/{value}" if alone is None else alone)
    decision, _, *options = value.split(MARK)
    kept = [place for place, option in enumerate(options) if option]
    mixed = [place for place in kept if options[place] != NONE] or kept
    nodes = [build(options[place], f"{key}/{options[place]}") for place in mixed]
    gates = g.gates(decision, len(options))
    return g.node(Mixed(tuple(mixed)), gates, *nodes, key=f"{key}/mixed")


def partly(
    g: Builder,
    value: str,
    build: Callable[[int, int, str, str], int],
    x: int,
    width: int,
    stride: int,
    key: str,
) -> int:
    """:func:`pick`, where operations may read a part of the channels (arXiv:1907.05737).

    The other channels pass by, through a max pooling where there is a stride, and all are
    shuffled, so that the next operations read others.

    Args:
        g, value, key: as for :func:`pick`.
        build: as there, after the node to read and its channels.
        x: the node to read.
        width: its channels, and those of the result.
        stride: of the operations.
    """
    partial = int(value.split(MARK)[1]) if MARK in value else 1
    if partial == 1:
        return pick(g, value, functools.partial(build, x, width), key)
    part = width // partial
    read = g.node(Truncate(part), x, key=f"{key}/part")
    rest = g.node(Rest(part), x, key=f"{key}/rest")
    if stride > 1:
        rest = g.node(MaxPool(2, 2, ceil=True), rest, key=f"{key}/rest_pool")
    made = pick(g, value, functools.partial(build, read, part), key)
    return g.node(Shuffle(partial), g.concat(made, rest, key=f"{key}/concat"), key=f"{key}/shuffle")


def join(g: Builder, ends: Sequence[int], node: str, key: str) -> int:
    """The sum of ``ends`` behind gates called ``node``: edge normalisation."""
    return g.node(Mixed(tuple(range(len(ends)))), g.gates(node, len(ends)), *ends, key=key)


class Superposition(Architecture):
    """An architecture of which some decisions keep several options; it has a graph, no notation.

    A space can hold one if its ``graph`` makes what depends on those decisions by :func:`pick`
    or :func:`partly`.
    """

    @property
    def is_partial(self) -> bool:
        """Whether operations read a part of the channels."""
        return any(value is not None and value.split(MARK)[1] != "1" for value in self.values)

    def __post_init__(self) -> None:
        """Its values are no options, so they are not checked."""

    @classmethod
    def of(cls, space: Space, kept: Mapping[str, Sequence[str]], partial: int = 1) -> Superposition:
        """All decisions of ``space`` by name, with the options that are kept."""
        values = (superposed(c.name, c.options, kept[c.name], partial) for c in space.decisions)
        return cls(space, tuple(values))
