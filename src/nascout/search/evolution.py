"""Regularised evolution: the best of a few is mutated, the oldest dies."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterator
from heapq import nsmallest
from itertools import islice
from operator import itemgetter

from nascout.errors import ConfigError
from nascout.records import Outcome
from nascout.search.history import Proposal, Stop, Trial
from nascout.search.sequential import Chooser, Sequential
from nascout.search.strategy import foreseen, strategy
from nascout.space import Architecture, Space

__all__ = ["RegularisedEvolution"]

# Children in a row that were proposed before, until a random architecture takes their place.
INBRED = 200


@strategy("regularised_evolution", paper="arXiv:1802.01548")
class RegularisedEvolution(Sequential):
    """Ageing evolution: the youngest ``population`` live, a tournament's winner is mutated.

    The first ``population`` are random, or the best scores of ``warm_up`` random ones: only they
    are trained. ``epochs`` makes the fitness an accuracy, as in the paper; without it the score
    is evolved.

    The tournament draws with replacement, as in the paper's algorithm 1; a mutation changes one
    decision to another value. A child that was proposed before is drawn again, tournament and
    mutation. The paper has a population of 100 and a tournament of 25, the scripts of
    NAS-Bench-201 have 10 and 3. With 64 and 10, and a warm-up of 3000 by ``epsilon``, it is that
    metric's integration (arXiv:2302.04406), without its choice among several mutations.

    Args:
        budget, objectives, epochs, retrain, final_epochs: see :class:`Sequential`. The warm-up
            counts in the budget.
        population: how many live.
        tournament: how many are drawn, of which the best becomes a parent.
        warm_up: random architectures that are scored to choose the first ones from; 0 for none.
    """

    population: int = 10
    tournament: int = 3
    warm_up: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.population, self.tournament) < 1 or self.warm_up < 0:
            raise ConfigError(
                f"{self.name}: population = {self.population}, tournament = {self.tournament}, "
                f"warm_up = {self.warm_up}",
                "Give a population and a tournament of at least 1, and warm_up >= 0.",
            )

    def start(self, space: Space) -> Chooser:
        """Nobody lives yet."""
        return _Population(self, space)

    def foreseen(self, space: Space, seed: int) -> Iterator[Architecture]:
        """The random ones at the start, as far as no trainings come between them."""
        count = self.warm_up or (0 if self.epochs else self.population)
        return islice(foreseen(space, self.budget, seed), count)


class _Population(Chooser):
    def __init__(self, strategy: RegularisedEvolution, space: Space) -> None:
        super().__init__(strategy, space)
        self._tournament = strategy.tournament
        self._living: deque[tuple[float, Architecture]] = deque(maxlen=strategy.population)
        self._warm_up = min(strategy.warm_up, strategy.budget)
        self._warming = strategy.warm_up > 0
        self._warm: dict[Architecture, float] = {}  # what was scored to warm up

    def tell(self, trial: Trial) -> None:
        super().tell(trial)
        if self._warming:
            if trial.stage == "score" and trial.outcome is Outcome.OK:
                self._warm[trial.architecture] = self.score.loss(trial.values)
            if self.pool.admitted >= self._warm_up:
                self._warmed()

    def ask(self, rng: random.Random) -> Proposal | Stop:
        if self._warming:
            fresh = self.pool.fresh(rng) if self.pool.is_open else None
            if fresh is not None:
                return Proposal(fresh)
            self._warmed()
        return super().ask(rng)

    def learn(self, trial: Trial, loss: float) -> None:
        if loss < math.inf and (self.epochs or not self._warming):
            self._living.append((loss, trial.architecture))

    def choose(self, rng: random.Random) -> Architecture | None:
        if len(self._living) == self._living.maxlen:
            for _ in range(INBRED):
                _, parent = min(rng.choices(self._living, k=self._tournament), key=itemgetter(0))
                child = self.space.mutate(parent, rng)
                if child not in self.pool.seen:
                    return child
        return self.pool.fresh(rng)

    def _warmed(self) -> None:
        """The best of the warm-up go on, in the order of their age; no others are trained."""
        self._warming = False
        best = set(nsmallest(self._living.maxlen or 1, self._warm, key=self._warm.__getitem__))
        elite = [one for one in self._warm if one in best and self._warm[one] < math.inf]
        if self.epochs:
            self.waiting = {one: self._warm[one] for one in elite if one not in self.losses}
        else:
            self._living.extend((self.losses[one], one) for one in elite)
