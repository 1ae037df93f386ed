"""Spaces in which some combinations of decisions are no architecture."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cached_property

from nascout.errors import ArchitectureError
from nascout.space.architecture import Architecture
from nascout.space.space import Space

__all__ = ["Constrained"]

#: Draws before giving up; the spaces here refuse fewer than half of them.
TRIES = 1000


class Constrained(Space):
    """A space whose ``check`` refuses some combinations. What it proposes is never one of them.

    Samples, mutants and children are drawn again until they are allowed, so a sample is uniform
    among what is allowed if every draw is uniform. Neighbours leave out what is refused, and
    ``decode`` raises for a vector whose largest entries do not fit together.
    """

    def sample(self, rng: random.Random) -> Architecture:
        """Every open decision uniformly at random, again until it is an architecture."""
        return _allowed(lambda: super(Constrained, self).sample(rng))

    def mutate(self, architecture: Architecture, rng: random.Random) -> Architecture:
        """Another value for one open decision, again until it is an architecture."""
        return _allowed(lambda: super(Constrained, self).mutate(architecture, rng))

    def crossover(self, one: Architecture, other: Architecture, rng: random.Random) -> Architecture:
        """Each decision from either parent, again until it is an architecture."""
        return _allowed(lambda: super(Constrained, self).crossover(one, other, rng))

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Every architecture one decision away; decisions this opens take their first option."""
        for choice in self.decisions:
            current = architecture.choices[choice.name]
            for option in choice.options if current is not None else ():
                if option != current:
                    wanted = {**architecture.choices, choice.name: option}
                    yield from _if_allowed(lambda: self._complete(wanted))  # noqa: B023

    def __iter__(self) -> Iterator[Architecture]:
        """All architectures, the last decision varying fastest."""
        for values in self._enumerate({}):
            yield from _if_allowed(lambda: Architecture(self, values))  # noqa: B023

    @cached_property
    def size(self) -> int:
        """How many architectures there are, by notation: counted one by one."""
        return sum(1 for _ in self)


def _allowed(draw: Callable[[], Architecture]) -> Architecture:
    for _ in range(TRIES):
        for architecture in _if_allowed(draw):
            return architecture
    return draw()


def _if_allowed(make: Callable[[], Architecture]) -> tuple[Architecture, ...]:
    try:
        return (make(),)
    except ArchitectureError:
        return ()
