"""What a recurrent policy decides at each of its steps: one decision, or a set of skips."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from nascout.space import Choice, Space

__all__ = ["Step", "steps"]

SKIP: Final = ("no", "yes")


@dataclass(frozen=True)
class Step:
    """One step of the policy.

    Attributes:
        decisions: the places of what is decided; more than one only in a set of skips.
        sources: of a set of skips, for each decision the node that is read or not.
        target: the node that reads them.
    """

    decisions: tuple[int, ...]
    sources: tuple[str, ...] = ()
    target: str = ""

    @property
    def place(self) -> slice:
        """Where its decisions stand among all."""
        return slice(self.decisions[0], self.decisions[-1] + 1)


def steps(space: Space, *, attention: bool = True) -> tuple[Step, ...]:
    """The steps of a policy over ``space``, in the order of its decisions.

    A decision is a skip if it is called ``source->target``, two numbers, and its options are
    ``no`` and ``yes``. The skips into one node are one step where they stand side by side and are
    open under the same conditions, as in ``nasrl``, ``enas_macro``, ``freeform`` and
    ``nasbench101``. Elsewhere they are decisions as any other.

    Args:
        space: any.
        attention: ``False`` gives every decision a step of its own.

    Example:
        >>> from nascout.space.nasrl import NasRl
        >>> [len(step.decisions) for step in steps(NasRl(depth=3))]
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]
    """
    sets = _sets(space.decisions) if attention else {}
    found, place = [], 0
    while place < len(space.decisions):
        found.append(sets.get(place, Step((place,))))
        place += len(found[-1].decisions)
    return tuple(found)


def _sets(decisions: tuple[Choice, ...]) -> dict[int, Step]:
    """The sets of skips, by the place of their first decision."""
    into: dict[str, dict[int, str]] = defaultdict(dict)
    for place, choice in enumerate(decisions):
        match = re.fullmatch(r"(\d+)->(\d+)", choice.name)
        if match and choice.options == SKIP:
            into[match[2]][place] = match[1]
    sets = {}
    for target, sources in into.items():
        places = tuple(sources)
        together = places == tuple(range(places[0], places[-1] + 1))
        if together and len({decisions[place].when for place in places}) == 1:
            sets[places[0]] = Step(places, tuple(sources.values()), target)
    return sets
