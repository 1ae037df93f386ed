"""Successive halving and Hyperband: many short trainings, longer ones for the best."""

from __future__ import annotations

import math
import random
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from nascout.errors import ConfigError
from nascout.records import Objective, Outcome
from nascout.search.history import Proposal, Stop, Trial
from nascout.search.pareto import at_stage
from nascout.search.pool import Pool, winners
from nascout.search.state import State, replay
from nascout.search.strategy import Strategy, strategy
from nascout.space import Architecture, Space

__all__ = ["Halving", "Hyperband", "SuccessiveHalving"]

Bracket = list[tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class Halving(Strategy):
    """Base of both: brackets of random architectures, each a ladder of rungs.

    In a rung every architecture left is trained from scratch; the best in ``eta`` by
    ``val_accuracy`` climb to the next one, with ``eta`` times the epochs. Each architecture is
    scored before its first training, which checks the constraints; the score itself decides
    nothing here (see the strategy ``funnel`` for that). A bracket that the budget or the
    constraints cut short keeps its proportions.

    Args:
        budget: architectures, over all brackets.
        objectives: computed and recorded.
        eta: one in so many goes on.
        max_epochs: of the longest trainings.
        retrain: architectures retrained at the end.
        final_epochs: of that training.
    """

    budget: int = 100
    objectives: tuple[Objective, ...] = (Objective("independence", True),)
    eta: int = 3
    max_epochs: int = 27
    retrain: int = 1
    final_epochs: int = 60

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eta < 2 or min(self.max_epochs, self.retrain, self.final_epochs) < 1:
            raise ConfigError(
                f"{self.name}: eta = {self.eta}, max_epochs = {self.max_epochs}, "
                f"retrain = {self.retrain}, final_epochs = {self.final_epochs}",
                "Give eta >= 2 and at least 1 of the others.",
            )

    @abstractmethod
    def brackets(self) -> list[Bracket]:
        """(architectures, epochs) of every rung, for each bracket of a round."""

    def start(self, space: Space) -> State:
        """The first bracket is empty."""
        return _Brackets(self, space)

    def ask(self, space: Space, history: Sequence[Trial], rng: random.Random) -> Proposal | Stop:
        """Fill the bracket, then climb, then open the next one; at the end retrain the best."""
        return replay(self.start(space), history).ask(rng)

    def plan(self) -> Mapping[str, int]:
        """``budget`` scores, the trainings of all rungs, the last ones."""
        trainings, left = 0, self.budget
        for bracket in cycle(self.brackets()):
            members = min(left, bracket[0][0])
            trainings += sum(_climbing(members, self.eta, rung) for rung in range(len(bracket)))
            left -= members
            if not left:
                break
        return {"score": self.budget, "train": trainings, "retrain": self.retrain}


@strategy("successive_halving", paper="arXiv:1502.07943")
class SuccessiveHalving(Halving):
    """One bracket: all ``budget`` architectures are trained briefly, one in ``eta`` goes on.

    Args:
        budget, objectives, eta, max_epochs, retrain, final_epochs: see :class:`Halving`.
        epochs: of the first rung.
    """

    epochs: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.epochs <= self.max_epochs:
            raise ConfigError(
                f"{self.name}: epochs = {self.epochs}, max_epochs = {self.max_epochs}",
                "Give 1 <= epochs <= max_epochs.",
            )

    def brackets(self) -> list[Bracket]:
        """One, until one architecture is left or the next training would be too long.

        >>> SuccessiveHalving(budget=20, eta=3, epochs=2, max_epochs=27).brackets()
        [[(20, 2), (6, 6), (2, 18)]]
        """
        rungs = [(self.budget, self.epochs)]
        while rungs[-1][0] >= self.eta and rungs[-1][1] * self.eta <= self.max_epochs:
            rungs.append((self.budget // self.eta ** len(rungs), rungs[-1][1] * self.eta))
        return [rungs]


@strategy("hyperband", paper="arXiv:1603.06560")
class Hyperband(Halving):
    """Successive halving with several trade-offs of how many against how long, in turn.

    Algorithm 1 of the paper with R = ``max_epochs``; rounds repeat until ``budget`` architectures
    are used. Epochs are whole: R·eta^-s is rounded down.

    Args:
        budget, objectives, eta, max_epochs, retrain, final_epochs: see :class:`Halving`.
    """

    def brackets(self) -> list[Bracket]:
        """From the widest to the one that trains everything to the end.

        >>> [bracket[0] for bracket in Hyperband(max_epochs=81, eta=3).brackets()]
        [(81, 1), (34, 3), (15, 9), (8, 27), (5, 81)]
        """
        most = 0
        while self.eta ** (most + 1) <= self.max_epochs:
            most += 1
        return [self._bracket(most, s) for s in range(most, -1, -1)]

    def _bracket(self, most: int, s: int) -> Bracket:
        count = -(-(most + 1) * self.eta**s // (s + 1))
        return [
            (count // self.eta**i, self.max_epochs // self.eta ** (s - i)) for i in range(s + 1)
        ]


def _climbing(members: int, eta: int, rung: int) -> int:
    """How many of a bracket's members reach a rung: at least one, if there is any."""
    return min(members, max(1, int(members // eta**rung)))


class _Brackets(State):
    """Members wait for their bracket to be full; then those of the rung wait for training."""

    def __init__(self, strategy: Halving, space: Space) -> None:
        self._strategy, self._pool = strategy, Pool(space, strategy.budget)
        self._judged = at_stage(strategy.objectives, "train")[0]
        self._losses: dict[tuple[Architecture, int], float] = {}
        self._retrained: set[Architecture] = set()
        self._ladders: Iterator[Bracket] = cycle(strategy.brackets())
        self._bracket = next(self._ladders)
        self._rung = 0
        self._joining: list[Architecture] = []
        self._climbing: list[Architecture] = []  # those on the rung; empty while members join
        self._members = 0

    def tell(self, trial: Trial) -> None:
        """Take in a trial."""
        architecture, ok = trial.architecture, trial.outcome is Outcome.OK
        new = architecture not in self._pool.seen
        self._pool.tell(trial)
        if trial.stage == "retrain":
            self._retrained.add(architecture)
        elif trial.stage == "train":
            loss = self._judged.loss(trial.values) if ok else math.inf
            self._losses.setdefault((architecture, trial.proposal.epochs), loss)
        elif ok and new:
            self._joining.append(architecture)
        self._advance(closed=not self._pool.is_open)

    def ask(self, rng: random.Random) -> Proposal | Stop:
        """The first training that the rung lacks, or a new member."""
        if not self._climbing and self._pool.is_open:
            fresh = self._pool.fresh(rng)
            if fresh is not None:
                return Proposal(fresh)
            self._advance(closed=True)
        for architecture in self._climbing:
            if (architecture, self._epochs) not in self._losses:
                return Proposal(architecture, "train", self._epochs)
        for architecture in self._winners():
            if architecture not in self._retrained:
                return Proposal(architecture, "retrain", self._strategy.final_epochs)
        return self._pool.stop()

    @property
    def _epochs(self) -> int:
        return self._bracket[self._rung][1]

    def _advance(self, *, closed: bool) -> None:
        """Go as far as what was told allows; ``closed``: nobody else will join."""
        while True:
            if not self._climbing:
                self._members = min(self._bracket[0][0], len(self._joining))
                if not self._members or (self._members < self._bracket[0][0] and not closed):
                    return
                self._climbing = self._joining[: self._members]
                del self._joining[: self._members]
            losses = {one: self._losses.get((one, self._epochs)) for one in self._climbing}
            if None in losses.values():
                return
            self._climb({one: loss for one, loss in losses.items() if loss is not None})

    def _climb(self, losses: Mapping[Architecture, float]) -> None:
        """To the next rung, or to the next bracket."""
        self._rung += 1
        if self._rung < len(self._bracket):
            count = _climbing(self._members, self._strategy.eta, self._rung)
            good = [one for one in losses if losses[one] < math.inf]
            self._climbing = sorted(good, key=losses.__getitem__)[:count]
        else:
            self._climbing = []
        if not self._climbing:
            self._bracket, self._rung = next(self._ladders), 0

    def _winners(self) -> list[Architecture]:
        """The best of those that were trained the longest."""
        longest = max((e for (_, e), loss in self._losses.items() if loss < math.inf), default=0)
        last = {one: loss for (one, e), loss in self._losses.items() if e == longest}
        return winners(last, self._strategy.retrain)
