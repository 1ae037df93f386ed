"""What has been proposed so far, within a budget, and what has not."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

from nascout.errors import ArchitectureError
from nascout.records import Outcome
from nascout.search.history import Stop, Trial
from nascout.search.strategy import REJECTIONS, unseen
from nascout.space import Architecture, Space

__all__ = ["Pool", "winners"]

# Mutations one after another in search of something new.
STEPS = 100


class Pool:
    """The architectures that were scored, and how many of them the constraints let through.

    Args:
        space: where new ones come from.
        budget: how many may be let through.

    Attributes:
        seen: everything that was proposed.
        admitted: how many of them the constraints let through.
    """

    def __init__(self, space: Space, budget: int) -> None:
        self.space, self.budget = space, budget
        self.seen: set[Architecture] = set()
        self.admitted = 0

    def tell(self, trial: Trial) -> None:
        """Count it, if its architecture is new."""
        before = len(self.seen)
        self.seen.add(trial.architecture)
        if len(self.seen) > before and trial.outcome is not Outcome.INFEASIBLE:
            self.admitted += 1

    @property
    def is_open(self) -> bool:
        """Whether more may be proposed."""
        return self.admitted < self.budget and len(self.seen) < REJECTIONS * self.budget

    def fresh(self, rng: random.Random) -> Architecture | None:
        """A uniform sample that was not proposed yet; ``None`` if there seems to be none."""
        return unseen(self.space, self.seen, rng)

    def beside(self, known: Architecture, rng: random.Random) -> Architecture | None:
        """The first new one on a random walk from ``known``; ``None`` if there seems to be none."""
        for _ in range(STEPS):
            try:
                known = self.space.mutate(known, rng)
            except ArchitectureError:  # nothing to mutate
                return None
            if known not in self.seen:
                return known
        return None

    def stop(self) -> Stop:
        """Why there is nothing more to propose."""
        if not self.admitted:
            return Stop("infeasible")
        return Stop("done" if self.admitted >= self.budget else "exhausted")


def winners(losses: Mapping[Architecture, float], count: int) -> list[Architecture]:
    """The ``count`` of lowest finite loss, one per distinct network; the first of equals.

    Args:
        losses: by architecture, the oldest first.
        count: how many.
    """
    order = sorted((a for a in losses if losses[a] < math.inf), key=losses.__getitem__)
    if count == 1:
        return order[:1]
    distinct: dict[str, Architecture] = {}
    for architecture in order:
        if len(distinct) == count:
            break
        distinct.setdefault(architecture.digest, architecture)
    return list(distinct.values())
