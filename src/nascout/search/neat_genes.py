"""The genes of an architecture, and how far two sets of them are apart."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple

from nascout.space import Architecture
from nascout.space.growing import Growing

__all__ = ["Genes", "distance", "genes"]

# The paper: "N can be set to 1 if both genomes are small, i.e., consist of fewer than 20 genes".
FEW = 20


class Genes(NamedTuple):
    """What there is, by innovation, and how it is, by name.

    Attributes:
        structure: the innovations that may be there or not.
        traits: attributes of what two architectures may have in common.
    """

    structure: tuple[Hashable, ...]
    traits: Mapping[str, tuple[Hashable, ...]]


def genes(architecture: Architecture) -> Genes:
    """Of a growing graph the edges and the layers; of any other space the open decisions.

    An innovation is known by its content (the ends of an edge, the name of a decision), so the same
    one has the same gene wherever it happens.

    >>> small = Growing().parse("0569d752:conv_3x3*1/1<in|out<-in,0569d752")
    >>> genes(small).structure
    (('in', '0569d752'), ('in', 'out'), ('0569d752', 'out'))
    """
    if isinstance(architecture.space, Growing):
        genome = architecture.space.genome(architecture)
        return Genes(tuple(genome.edges), genome.layers)
    made = {name: (value,) for name, value in architecture.choices.items() if value is not None}
    return Genes(tuple(made), made)


def distance(
    one: Genes,
    other: Genes,
    numbers: Mapping[Hashable, int],
    *,
    excess: float = 1.0,
    disjoint: float = 1.0,
    difference: float = 0.4,
) -> float:
    """The compatibility distance of NEAT, equation 1: c1 E / N + c2 D / N + c3 W.

    E counts the innovations of one that are younger than all of the other, D the other ones that
    only one has, N is the number of innovations of the larger (1 if both have fewer than 20). The
    paper's W is the average weight difference of matching genes; here it is the share of
    attributes that differ, on average over the layers (or decisions) that both have.

    Args:
        one, other: of two architectures.
        numbers: the innovation number of each innovation, the higher the younger.
        excess, disjoint, difference: c1, c2 and c3; the defaults are the paper's.

    >>> left, right = Genes((1, 2, 3), {"a": ("x",)}), Genes((1, 4, 5), {"a": ("y",)})
    >>> distance(left, right, {n: n for n in range(6)})     # 2 and 3 disjoint, 4 and 5 excess
    4.4
    """
    mine = {numbers[gene] for gene in one.structure}
    yours = {numbers[gene] for gene in other.structure}
    youngest = min(max(mine, default=-1), max(yours, default=-1))
    unmatched = mine ^ yours
    beyond = sum(number > youngest for number in unmatched)
    larger = max(len(mine), len(yours))
    size = larger if larger >= FEW else 1
    changes = [
        sum(a != b for a, b in zip(one.traits[name], other.traits[name], strict=True))
        / len(one.traits[name])
        for name in one.traits
        if name in other.traits
    ]
    changed = sum(changes) / len(changes) if changes else 0.0
    apart = excess * beyond + disjoint * (len(unmatched) - beyond)
    return apart / size + difference * changed
