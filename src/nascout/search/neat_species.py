"""Species: who belongs together, and how many children each may have."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy.stats import rankdata

from nascout.search.neat_genes import Genes
from nascout.space import Architecture

__all__ = ["Member", "Species", "apportion", "offspring", "speciate"]


@dataclass(frozen=True)
class Member:
    """An architecture that lives, its genes, and its loss with the price of its size."""

    architecture: Architecture
    genes: Genes
    loss: float


@dataclass(frozen=True)
class Species:
    """Those that are compatible with a representative.

    Attributes:
        representative: the genes that newcomers are compared to: those of the best member of the
            generation before, of the first member if there was none.
        members: the best first.
        best: the lowest loss the species ever had.
        unimproved: generations since.
    """

    representative: Genes
    members: tuple[Member, ...] = ()
    best: float = math.inf
    unimproved: int = 0


def speciate(
    species: Sequence[Species],
    members: Sequence[Member],
    compatible: Callable[[Genes, Genes], bool],
) -> list[Species]:
    """The species of a new generation: each member joins the first one that it is compatible with.

    Args:
        species: of the generation before, the oldest first.
        members: the new generation.
        compatible: whether two may be of one species.

    Returns:
        Those that have members; who fits nowhere has founded a new one, at the end.
    """
    representatives = [one.representative for one in species]
    joined: list[list[Member]] = [[] for _ in species]
    for member in members:
        for place, representative in enumerate(representatives):
            if compatible(member.genes, representative):
                joined[place].append(member)
                break
        else:
            representatives.append(member.genes)
            joined.append([member])
    before = [*species, *(Species(genes) for genes in representatives[len(species) :])]
    return [_renewed(old, new) for old, new in zip(before, joined, strict=True) if new]


def _renewed(species: Species, members: list[Member]) -> Species:
    ranked = tuple(sorted(members, key=lambda member: member.loss))
    champion = ranked[0]
    improved = champion.loss < species.best
    return Species(
        champion.genes,
        ranked,
        min(champion.loss, species.best),
        0 if improved else species.unimproved + 1,
    )


def offspring(species: Sequence[Species], count: int, stagnation: int) -> list[int]:
    """How many of the next ``count`` each species gives, by explicit fitness sharing.

    A member's fitness is divided by the number of members of its species (the paper's equation 2
    for speciated populations), so a species is worth the mean fitness of its members, however many
    it has. Fitness is the rank in the whole generation, 1 for the worst: scores may be negative and
    unbounded. A species without progress for ``stagnation`` generations gives none, unless it holds
    the best of all.

    >>> weak, strong = (Member(None, None, loss) for loss in (2.0, 1.0))
    >>> offspring([Species(None, (strong,)), Species(None, (weak,))], 6, 15)
    [4, 2]
    """
    losses = [[member.loss for member in one.members] for one in species]
    fitness = iter(rankdata([-loss for all_ in losses for loss in all_]).tolist())
    lowest = min(min(all_) for all_ in losses)
    shared = []
    for one, all_ in zip(species, losses, strict=True):
        mean = sum(next(fitness) for _ in all_) / len(all_)
        stagnant = one.unimproved >= stagnation and min(all_) > lowest
        shared.append(0.0 if stagnant else mean)
    return apportion(shared, count)


def apportion(shares: Sequence[float], count: int) -> list[int]:
    """``count`` divided in proportion to ``shares``; largest remainders are rounded up.

    >>> apportion([1.0, 1.0, 2.0], 10)
    [3, 2, 5]
    """
    total = math.fsum(shares)
    exact = [count * share / total for share in shares]
    whole = [math.floor(number) for number in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: whole[i] - exact[i])
    for place in by_remainder[: count - sum(whole)]:
        whole[place] += 1
    return whole
