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
from nascout.search.rungs import rung_epochs
from nascout.search.state import State, replay
from nascout.search.strategy import Strategy, strategy
from nascout.space import Architecture, Space

__all__ = ["Brackets", "Halving", "Hyperband", "SuccessiveHalving", "brackets", "climbing"]

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
        rung_epochs: of every rung, from the shortest to the longest, where they are not powers of
            ``eta``, such as ``(12, 200)``, the lengths that a table holds; one for a single
            fidelity. Takes the place of ``max_epochs``.
        retrain: architectures retrained at the end.
        final_epochs: of that training.
    """

    budget: int = 100
    objectives: tuple[Objective, ...] = (Objective("independence", True),)
    eta: int = 3
    max_epochs: int = 27
    rung_epochs: tuple[int, ...] = ()
    retrain: int = 1
    final_epochs: int = 60

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "rung_epochs", rung_epochs(self.rung_epochs))
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
        return Brackets(self, space)

    def ask(self, space: Space, history: Sequence[Trial], rng: random.Random) -> Proposal | Stop:
        """Fill the bracket, then climb, then open the next one; at the end retrain the best."""
        return replay(self.start(space), history).ask(rng)

    def plan(self) -> Mapping[str, int]:
        """``budget`` scores, the trainings of all rungs, the last ones."""
        trainings, left = 0, self.budget
        for bracket in cycle(self.brackets()):
            members = min(left, bracket[0][0])
            trainings += sum(climbing(members, self.eta, rung) for rung in range(len(bracket)))
            left -= members
            if not left:
                break
        return {"score": self.budget, "train": trainings, "retrain": self.retrain}


@strategy("successive_halving", paper="arXiv:1502.07943")
class SuccessiveHalving(Halving):
    """One bracket: all ``budget`` architectures are trained briefly, one in ``eta`` goes on.

    Args:
        budget, objectives, eta, max_epochs, rung_epochs, retrain, final_epochs: see
            :class:`Halving`.
        epochs: of the first rung, without ``rung_epochs``.
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
        lengths = self.rung_epochs or [
            self.epochs * self.eta**i
            for i in range(_powers(self.max_epochs // self.epochs, self.eta) + 1)
        ]
        counts = (self.budget // self.eta**i for i in range(len(lengths)))
        return [[(n, epochs) for n, epochs in zip(counts, lengths, strict=True) if n]]


@strategy("hyperband", paper="arXiv:1603.06560")
class Hyperband(Halving):
    """Successive halving with several trade-offs of how many against how long, in turn.

    Algorithm 1 of the paper with R = ``max_epochs``; rounds repeat until ``budget`` architectures
    are used. Epochs are whole: R·eta^-s is rounded down.

    Args:
        budget, objectives, eta, max_epochs, rung_epochs, retrain, final_epochs: see
            :class:`Halving`.
    """

    def brackets(self) -> list[Bracket]:
        """From the widest to the one that trains everything to the end.

        >>> [bracket[0] for bracket in Hyperband(max_epochs=81, eta=3).brackets()]
        [(81, 1), (34, 3), (15, 9), (8, 27), (5, 81)]
        """
        most = _powers(self.max_epochs, self.eta)
        lengths = self.rung_epochs or [self.max_epochs // self.eta**s for s in range(most, -1, -1)]
        return brackets(lengths, self.eta)


def brackets(lengths: Sequence[int], eta: int) -> list[Bracket]:
    """(architectures, epochs) of every rung of Hyperband's brackets, the widest first.

    Args:
        lengths: epochs of all rungs, from the shortest to the longest.
        eta: one in so many goes on.

    Example:
        >>> brackets([12, 200], 3)
        [[(3, 12), (1, 200)], [(2, 200)]]
    """
    made = []
    for rungs in range(len(lengths), 0, -1):
        count = -(-len(lengths) * eta ** (rungs - 1) // rungs)
        made.append([(count // eta**i, e) for i, e in enumerate(lengths[len(lengths) - rungs :])])
    return made


def _powers(most: int, eta: int) -> int:
    """The largest s with eta^s <= most."""
    return max(s for s in range(most.bit_length()) if eta**s <= most)


def climbing(members: int, eta: int, rung: int) -> int:
    """How many of a bracket's members reach a rung: at least one, if there is any."""
    return min(members, max(1, int(members // eta**rung)))


class Brackets(State):
    """Members wait for their bracket to be full; then those of the rung wait for training.

    Attributes:
        pool: what was proposed.
        losses: by architecture and epochs, what was trained; inf for what failed.
        joining: scored, and waiting for their bracket to be full.
        bracket: its rungs.
    """

    def __init__(self, strategy: Halving, space: Space) -> None:
        self._strategy, self.pool = strategy, Pool(space, strategy.budget)
        self._judged = at_stage(strategy.objectives, "train")[0]
        self.losses: dict[tuple[Architecture, int], float] = {}
        self._retrained: set[Architecture] = set()
        self._rounds: Iterator[Bracket] = cycle(strategy.brackets())
        self.bracket = next(self._rounds)
        self._rung = 0
        self.joining: list[Architecture] = []
        self._climbing: list[Architecture] = []  # those on the rung; empty while members join
        self._members = 0

    def tell(self, trial: Trial) -> None:
        """Take in a trial."""
        architecture, ok = trial.architecture, trial.outcome is Outcome.OK
        new = architecture not in self.pool.seen
        self.pool.tell(trial)
        if trial.stage == "retrain":
            self._retrained.add(architecture)
        elif trial.stage == "train":
            loss = self._judged.loss(trial.values) if ok else math.inf
            self.losses.setdefault((architecture, trial.proposal.epochs), loss)
        elif ok and new:
            self.joining.append(architecture)
        self._advance(closed=not self.pool.is_open)

    def ask(self, rng: random.Random) -> Proposal | Stop:
        """The first training that the rung lacks, or a new member."""
        if not self._climbing and self.pool.is_open:
            fresh = self.choose(rng)
            if fresh is not None:
                return Proposal(fresh)
            self._advance(closed=True)
        for architecture in self._climbing:
            if (architecture, self._epochs) not in self.losses:
                return Proposal(architecture, "train", self._epochs)
        for architecture in self._winners():
            if architecture not in self._retrained:
                return Proposal(architecture, "retrain", self._strategy.final_epochs)
        return self.pool.stop()

    def choose(self, rng: random.Random) -> Architecture | None:
        """A new member; ``None`` if there is none."""
        return self.pool.fresh(rng)

    @property
    def _epochs(self) -> int:
        return self.bracket[self._rung][1]

    def _advance(self, *, closed: bool) -> None:
        """Go as far as what was told allows; ``closed``: nobody else will join."""
        while True:
            if not self._climbing:
                self._members = min(self.bracket[0][0], len(self.joining))
                if not self._members or (self._members < self.bracket[0][0] and not closed):
                    return
                self._climbing = self.joining[: self._members]
                del self.joining[: self._members]
            losses = {one: self.losses.get((one, self._epochs)) for one in self._climbing}
            if None in losses.values():
                return
            self._climb({one: loss for one, loss in losses.items() if loss is not None})

    def _climb(self, losses: Mapping[Architecture, float]) -> None:
        """To the next rung, or to the next bracket."""
        self._rung += 1
        if self._rung < len(self.bracket):
            count = climbing(self._members, self._strategy.eta, self._rung)
            good = [one for one in losses if losses[one] < math.inf]
            self._climbing = sorted(good, key=losses.__getitem__)[:count]
        else:
            self._climbing = []
        if not self._climbing:
            self.bracket, self._rung = next(self._rounds), 0

    def _winners(self) -> list[Architecture]:
        """The best of those that were trained the longest."""
        longest = max((e for (_, e), loss in self.losses.items() if loss < math.inf), default=0)
        last = {one: loss for (one, e), loss in self.losses.items() if e == longest}
        return winners(last, self._strategy.retrain)
