"""Graphs without a largest size: an architecture is a genome, and mutation makes it grow."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cached_property
from sys import maxsize
from typing import Final

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import Builder, Graph, repair
from nascout.graph.ops import BatchNorm, Conv2d, GlobalAvgPool, Linear, ReLU
from nascout.space.architecture import Architecture
from nascout.space.cell_ops import OPERATIONS, operation
from nascout.space.decision import Choice
from nascout.space.genome import SMALLEST, Genome
from nascout.space.insertion import LAYERS
from nascout.space.space import Space, space

__all__ = ["Growing"]

#: The chance that a gene is off in a child if one of two parents has it off (the paper's 75 %).
OFF: Final = 0.75


@space("growing", paper="doi:10.1162/106365602320169811")
class Growing(Space):
    """Layers wired freely, without a largest number of them, grown as NEAT grows networks.

    Between a stem and a classifier stands the graph of a :class:`nascout.space.genome.Genome`:
    what a layer reads is added up, with shapes repaired. A mutation puts a layer on an edge, adds
    an edge, changes an operation, doubles or halves a width, changes a stride, or switches an edge
    on or off: one of these kinds uniformly, then uniformly among what it could do.

    There is no list of decisions to fill in: the one decision, ``genome``, has no end of options,
    which are the texts of genomes. What goes through options or codes (``encode``, ``decode``,
    enumeration, and the strategies that are built on them: reinforce, nsga2, optuna) raises
    ConfigError; what samples, mutates, crosses or looks at neighbours works.

    Deviations: the paper's genes are single connections and their weights; here a node is a layer,
    and weights are trained. In a child, edges off in both parents stay off; other
    layers and edges than the first parent's are not inherited, for equal parents neither.

    Args:
        channels: the unit of width.
        grown: mutations of a sample, on average: their number is geometric, so that small graphs
            come first and any may come.
        operations: what layers may be; see :func:`nascout.space.cell_ops.operation`.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.

    Example:
        >>> growing = Growing(channels=4, input_shape=(1, 8, 8))
        >>> small = growing.parse("out<in")
        >>> str(growing.mutate(small, random.Random(0)))
        '0569d752:sep_conv_5x5*1/1<in|out<-in,0569d752'
    """

    channels: int = 16
    grown: int = 4
    operations: tuple[str, ...] = LAYERS
    classes: int = 10
    input_shape: tuple[int, int, int] = (3, 32, 32)

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = set(self.operations) - set(OPERATIONS)
        if unknown or not self.operations:
            raise ConfigError(
                f"growing: operations = {', '.join(self.operations)}",
                f"Give some of {', '.join(OPERATIONS)}.",
            )

    @cached_property
    def decisions(self) -> tuple[Choice, ...]:
        """One, which every genome of these operations answers."""
        return (Choice("genome", _Genomes(self.operations)),)

    @property
    def size(self) -> int:
        """There is no largest number; this is the largest that Python calls a size."""
        return maxsize

    def genome(self, architecture: Architecture) -> Genome:
        """What ``architecture`` is."""
        return Genome.parse(str(architecture.values[0]))

    def grow(self, genome: Genome) -> Architecture:
        """The architecture that is ``genome``.

        Raises:
            ArchitectureError: an operation that the space does not have.
        """
        return Architecture(self, (str(genome),))

    def graph(self, architecture: Architecture) -> Graph:
        """Stem, the layers on paths from ``in`` to ``out``, head; repaired."""
        genome = self.genome(architecture)
        g = Builder()
        stem = (Conv2d(self.channels, 3), BatchNorm())
        made = {"in": g.chain(stem, g.input(self.input_shape), key="stem")}
        width = {"in": self.channels}
        for name in genome.live[1:]:
            sources = [source for source in genome.sources(name) if source in made]
            x = g.add(*(made[source] for source in sources), key=f"{name}/sum")
            if name == "out":
                break
            op, units, stride = genome.layers[name]
            width[name] = units * self.channels
            ops = operation(op, max(width[source] for source in sources), width[name], stride)
            made[name] = g.chain(ops, x, key=f"{name}/{op}")
        head = (BatchNorm(), ReLU(), GlobalAvgPool(), Linear(self.classes))
        return repair(g.graph(g.chain(head, x, key="head")))

    def parse(self, text: str) -> Architecture:
        """Read a genome, in whatever order its layers and sources are written.

        Raises:
            ArchitectureError: not a genome, or with operations that the space does not have.
        """
        return self.grow(Genome.parse(text))

    def format(self, architecture: Architecture) -> str:
        """The genome."""
        return str(architecture.values[0])

    def sample(self, rng: random.Random) -> Architecture:
        """The smallest graph, mutated a geometric number of times."""
        genome = SMALLEST
        while rng.random() < self.grown / (self.grown + 1):
            genome = self._mutated(genome, rng)
        return self.grow(genome)

    def mutate(self, architecture: Architecture, rng: random.Random) -> Architecture:
        """One innovation."""
        return self.grow(self._mutated(self.genome(architecture), rng))

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Every architecture one innovation away."""
        for edits in self.genome(architecture).edits(self.operations).values():
            for edit in edits:
                yield self.grow(edit())

    def crossover(self, one: Architecture, other: Architecture, rng: random.Random) -> Architecture:
        """The layers and edges of ``one``; those that both have are from either.

        Args:
            one: the fitter.
            other: the one that is aligned to it by the names of layers and edges.
            rng: what draws.
        """
        mine, yours = self.genome(one), self.genome(other)
        layers = {
            name: rng.choice((layer, yours.layers.get(name, layer)))
            for name, layer in mine.layers.items()
        }
        edges = {
            edge: on if yours.edges.get(edge, on) == on else rng.random() >= OFF
            for edge, on in mine.edges.items()
        }
        try:
            return self.grow(Genome(layers, edges))
        except ArchitectureError:  # no path is left: this way round the edges are as they were
            return self.grow(Genome(layers, mine.edges))

    def encode(self, architecture: Architecture) -> list[int]:
        """Refused.

        Raises:
            ConfigError: always.
        """
        raise _no_list()

    def decode(self, code: Sequence[float]) -> Architecture:
        """Refused.

        Raises:
            ConfigError: always.
        """
        raise _no_list()

    def _mutated(self, genome: Genome, rng: random.Random) -> Genome:
        kinds = [edits for edits in genome.edits(self.operations).values() if edits]
        return rng.choice(rng.choice(kinds))()


class _Genomes(tuple[str, ...]):
    """The texts of all genomes of some operations: no end of them, so it only says what is one."""

    __slots__ = ()

    def __contains__(self, text: object) -> bool:
        genome = Genome.parse(str(text))
        unknown = {layer.op for layer in genome.layers.values()} - {*tuple.__iter__(self)}
        if unknown:
            raise ArchitectureError(
                f"growing has no operation {min(unknown)!r} here",
                f"Allowed here: {', '.join(tuple.__iter__(self))}.",
            )
        if str(genome) != text:
            raise ArchitectureError(f"{text!r} is not in order", f"Write it as {genome}")
        return True

    def __iter__(self) -> Iterator[str]:
        raise _no_list()

    def __len__(self) -> int:
        raise _no_list()


def _no_list() -> ConfigError:
    return ConfigError(
        "architectures of the space growing have no end: they cannot be listed or one-hot encoded",
        "Search it by neat, random, regularised_evolution, local_search, area or halving.",
    )
