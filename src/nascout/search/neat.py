"""NEAT: graphs grow from small ones, and species protect what is new."""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Iterator
from itertools import islice

from nascout.errors import ConfigError
from nascout.graph import graph_cost
from nascout.search.history import Trial
from nascout.search.neat_genes import Genes, distance, genes
from nascout.search.neat_species import Member, Species, offspring, speciate
from nascout.search.pool import winners
from nascout.search.sequential import Chooser, Sequential
from nascout.search.strategy import foreseen, strategy
from nascout.space import Architecture, Space

__all__ = ["Neat"]

# Children in a row that were proposed before, until a random architecture takes their place.
INBRED = 200
PRICED = ("params", "macs", "activation_bytes")


@strategy("neat", paper="doi:10.1162/106365602320169811")
class Neat(Sequential):
    """Neuroevolution of augmenting topologies: growth by mutation, crossover by gene, species.

    Architectures are grouped by :func:`nascout.search.neat_genes.distance`; each species has
    children by the mean fitness of its members, so a new structure competes with its like before
    it competes with everybody. On the space ``growing`` genes are the edges and layers of a graph
    that may grow without end; on any other space they are the decisions. There, two architectures
    with the same open decisions are at most ``difference`` apart, so give a ``threshold`` below it
    if there are to be several species.

    Deviations: what a child has of both parents is drawn from either, with one mutation more;
    nothing is averaged, and no species mates with another. A representative is the species' best
    of the generation before, not a random one. Fitness is a rank, see
    :func:`nascout.search.neat_species.offspring`. Innovation numbers are those of the history: an
    innovation has one number for ever, not for one generation. Champions live on without being
    evaluated again. Networks that fail are no members of a generation.

    Args:
        budget, objectives, epochs, retrain, final_epochs: see :class:`Sequential`.
        population: members of a generation; the paper has 150.
        threshold: members of a species are closer than this to its representative.
        excess, disjoint, difference: the coefficients of the distance.
        survivors: the share of a species, the best, that has children.
        crossover: the chance that a child has two parents.
        elite: a species of more members than this keeps its best.
        stagnation: generations without progress after which a species has no more children.
        complexity: what ten times the cost must be worth, in units of the fitness: the fitness
            is reduced by ``complexity`` times the decimal logarithm of the cost.
        cost: ``params``, ``macs`` or ``activation_bytes`` of the graph.
    """

    population: int = 20
    threshold: float = 3.0
    excess: float = 1.0
    disjoint: float = 1.0
    difference: float = 0.4
    survivors: float = 0.5
    crossover: float = 0.75
    elite: int = 5
    stagnation: int = 15
    complexity: float = 0.0
    cost: str = "params"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.population < 2 or min(self.elite, self.stagnation) < 1:
            raise ConfigError(
                f"neat: population = {self.population}, elite = {self.elite}, "
                f"stagnation = {self.stagnation}",
                "Give a population of at least 2, and at least 1 of the others.",
            )
        if not (0 < self.survivors <= 1 and 0 <= self.crossover <= 1 and self.threshold > 0):
            raise ConfigError(
                f"neat: survivors = {self.survivors}, crossover = {self.crossover}, "
                f"threshold = {self.threshold}",
                "Give 0 < survivors <= 1, 0 <= crossover <= 1 and a threshold above 0.",
            )
        coefficients = self.excess, self.disjoint, self.difference, self.complexity
        if self.cost not in PRICED or not all(0 <= c < math.inf for c in coefficients):
            raise ConfigError(
                f"neat: cost = {self.cost!r}, coefficients {coefficients}",
                f"Price one of {', '.join(PRICED)}; give finite coefficients of at least 0.",
            )

    def start(self, space: Space) -> Chooser:
        """Nobody lives yet."""
        return _Generations(self, space)

    def foreseen(self, space: Space, seed: int) -> Iterator[Architecture]:
        """The first generation, unless trainings come between its members."""
        return islice(foreseen(space, self.budget, seed), 0 if self.epochs else self.population)


class _Generations(Chooser):
    """The generation that is being evaluated, and the species of the one before."""

    def __init__(self, strategy: Neat, space: Space) -> None:
        super().__init__(strategy, space)
        self._knobs = strategy
        self._numbers: dict[Hashable, int] = {}  # of innovations, in the order of the history
        self._priced: dict[Architecture, float] = {}  # losses with the price of the size
        self._members: list[Member] = []
        self._kept = 0  # of the members, those that live on from the generation before
        self._species: list[Species] = []
        self._mothers: list[Species] = []  # the species of each child of this generation

    def learn(self, trial: Trial, loss: float) -> None:
        """One member more; with the last one of a generation, species are formed anew."""
        if loss == math.inf:
            return
        architecture = trial.architecture
        found = genes(architecture)
        for gene in found.structure:
            self._numbers.setdefault(gene, len(self._numbers))
        price = self._knobs.complexity and self._knobs.complexity * self._size(architecture)
        self._priced[architecture] = loss + price
        self._members.append(Member(architecture, found, loss + price))
        if len(self._members) == self._knobs.population:
            self._breed()

    def choose(self, rng: random.Random) -> Architecture | None:
        """A child of the species whose turn it is; in the first generation a sample."""
        if self._mothers:
            mothers = self._mothers[len(self._members) - self._kept].members
            mothers = mothers[: math.ceil(self._knobs.survivors * len(mothers))]
            for _ in range(INBRED):
                child = self._child(mothers, rng)
                if child not in self.pool.seen:
                    return child
        return self.pool.fresh(rng)

    def winners(self, count: int) -> list[Architecture]:
        """The best ``count``, with the price of their size."""
        return winners(self._priced, count)

    def _child(self, parents: tuple[Member, ...], rng: random.Random) -> Architecture:
        child = rng.choice(parents).architecture
        if len(parents) > 1 and rng.random() < self._knobs.crossover:
            fitter, other = sorted(rng.sample(range(len(parents)), 2))
            one, two = parents[fitter].architecture, parents[other].architecture
            child = self.space.crossover(one, two, rng)
        return self.space.mutate(child, rng)

    def _breed(self) -> None:
        """The generation is complete: who belongs together, who lives on, who has how many."""
        knobs = self._knobs
        self._species = speciate(self._species, self._members, self._compatible)
        counts = offspring(self._species, knobs.population, knobs.stagnation)
        self._members, self._mothers = [], []
        for species, count in zip(self._species, counts, strict=True):
            kept = min(count, int(len(species.members) > knobs.elite))
            self._members += species.members[:kept]
            self._mothers += [species] * (count - kept)
        self._kept = len(self._members)

    def _compatible(self, one: Genes, other: Genes) -> bool:
        knobs = self._knobs
        apart = distance(
            one,
            other,
            self._numbers,
            excess=knobs.excess,
            disjoint=knobs.disjoint,
            difference=knobs.difference,
        )
        return apart < knobs.threshold

    def _size(self, architecture: Architecture) -> float:
        cost = graph_cost(architecture.graph()).as_dict()[self._knobs.cost]
        return math.log10(max(cost, 1))
