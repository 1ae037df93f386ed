"""The course of every strategy that chooses one architecture after another by a fitness."""

from __future__ import annotations

import math
import random
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nascout.errors import ConfigError
from nascout.records import Objective, Outcome
from nascout.search.history import Proposal, Stop, Trial
from nascout.search.pareto import at_stage
from nascout.search.pool import Pool, winners
from nascout.search.state import State, replay
from nascout.search.strategy import Strategy
from nascout.space import Architecture, Space

__all__ = ["Chooser", "Sequential"]


@dataclass(frozen=True, kw_only=True)
class Sequential(Strategy):
    """Base of these strategies: their common knobs. A subclass gives :meth:`start`.

    1. An architecture is chosen and scored, which also checks the constraints.
    2. If ``epochs`` is not 0 it is trained so long, and ``val_accuracy`` is its fitness; else the
       first objective is.
    3. After ``budget`` architectures the ``retrain`` best are trained for ``final_epochs``.

    What fails at any stage has no fitness. Nothing is proposed twice, also where the paper would
    evaluate a repeated architecture again.

    Args:
        budget: architectures to score.
        objectives: only the first one is optimised.
        epochs: of the training that measures fitness; 0 to search by the score alone.
        retrain: architectures retrained at the end.
        final_epochs: of that training.
    """

    budget: int = 100
    objectives: tuple[Objective, ...] = (Objective("independence", True),)
    epochs: int = 0
    retrain: int = 1
    final_epochs: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs < 0 or min(self.retrain, self.final_epochs) < 1:
            raise ConfigError(
                f"{self.name}: epochs = {self.epochs}, retrain = {self.retrain}, "
                f"final_epochs = {self.final_epochs}",
                "Give epochs >= 0, and retrain at least one architecture for at least one epoch.",
            )

    @abstractmethod
    def start(self, space: Space) -> State:
        """The strategy before its first trial."""

    def ask(self, space: Space, history: Sequence[Trial], rng: random.Random) -> Proposal | Stop:
        """What :meth:`start`'s state says after ``history``."""
        return replay(self.start(space), history).ask(rng)

    def plan(self) -> Mapping[str, int]:
        """``budget`` scores, as many trainings if fitness is trained, and the last trainings."""
        stages = {"score": self.budget, "train": self.budget if self.epochs else 0}
        return {name: count for name, count in stages.items() if count} | {"retrain": self.retrain}


class Chooser(State):
    """The state of such a strategy; a subclass gives :meth:`choose` and, as a rule, :meth:`learn`.

    Attributes:
        pool: what was proposed.
        losses: the fitness of what was evaluated, the lower the better; inf for what failed.
        waiting: what was scored and is to be trained, the oldest first, with the loss of its score.
        objectives: the strategy's, as they are judged where fitness is measured.
        fitness, score: the first objective, as it is judged there and before any training.
    """

    def __init__(self, strategy: Sequential, space: Space) -> None:
        self.epochs = strategy.epochs
        self._retrain, self._final_epochs = strategy.retrain, strategy.final_epochs
        self.space, self.pool = space, Pool(space, strategy.budget)
        self.losses: dict[Architecture, float] = {}
        self.waiting: dict[Architecture, float] = {}
        self._retrained: set[Architecture] = set()
        self.objectives = at_stage(strategy.objectives, "train" if self.epochs else "score")
        self.score, self.fitness = strategy.objectives[0], self.objectives[0]

    @abstractmethod
    def choose(self, rng: random.Random) -> Architecture | None:
        """A new architecture; ``None`` if there is none."""

    def learn(self, trial: Trial, loss: float) -> None:
        """Take in the fitness of one more architecture."""

    def winners(self, count: int) -> list[Architecture]:
        """The best ``count`` of those evaluated."""
        return winners(self.losses, count)

    def tell(self, trial: Trial) -> None:
        """Take in a trial."""
        architecture, ok = trial.architecture, trial.outcome is Outcome.OK
        self.pool.tell(trial)
        if trial.stage == "retrain":
            self._retrained.add(architecture)
        elif architecture in self.losses:
            return
        elif trial.stage == "score" and self.epochs and ok:
            self.waiting[architecture] = self.score.loss(trial.values)
        else:
            if self.epochs:
                self.waiting.pop(architecture, None)
            loss = self.fitness.loss(trial.values) if ok else math.inf
            self.losses[architecture] = loss
            self.learn(trial, loss)

    def ask(self, rng: random.Random) -> Proposal | Stop:
        """Train what waits for it, else choose; at the end retrain the winners."""
        if self.waiting:
            return Proposal(next(iter(self.waiting)), "train", self.epochs)
        chosen = self.choose(rng) if self.pool.is_open else None
        if chosen is not None:
            return Proposal(chosen)
        for architecture in self.winners(self._retrain):
            if architecture not in self._retrained:
                return Proposal(architecture, "retrain", self._final_epochs)
        return self.pool.stop()
