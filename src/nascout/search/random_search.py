"""Random search with training-free selection: score N samples, train the best."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from nascout.errors import ConfigError
from nascout.records import Objective
from nascout.search.history import Proposal, Trial
from nascout.search.strategy import Stop, Strategy, best, explore, finished, foreseen, strategy
from nascout.space import Architecture, Space

__all__ = ["RandomSearch"]


@strategy("random", paper="arXiv:2006.04647")
class RandomSearch(Strategy):
    """NAS without training's algorithm 1: the best score of ``budget`` samples wins.

    Samples are distinct. Only the first objective chooses; ``retrain`` of them are trained
    (the paper looks one up).

    Args:
        budget: N, how many architectures to score.
        objectives: the first is the score that chooses.
        retrain: how many of the best to train.
        epochs: of that training.
    """

    budget: int = 100
    objectives: tuple[Objective, ...] = (Objective("independence", True),)
    retrain: int = 1
    epochs: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.retrain, self.epochs) < 1:
            raise ConfigError(
                f"random: retrain = {self.retrain}, epochs = {self.epochs}",
                "Train at least one architecture for at least one epoch.",
            )

    def ask(self, space: Space, history: Sequence[Trial], rng: random.Random) -> Proposal | Stop:
        """Sample and score, then train what scored best."""
        proposal = explore(space, history, self.budget, rng)
        if proposal is not None:
            return proposal
        scored = [trial for trial in history if trial.stage == "score"]
        trained = {trial.architecture for trial in history if trial.stage == "retrain"}
        for trial in best(scored, self.objectives[:1], self.retrain):
            if trial.architecture not in trained:
                return Proposal(trial.architecture, "retrain", self.epochs)
        return finished(history, self.budget)

    def foreseen(self, space: Space, seed: int) -> Iterator[Architecture]:
        """The samples."""
        return foreseen(space, self.budget, seed)

    def plan(self) -> Mapping[str, int]:
        """``budget`` scores, then the trainings."""
        return {"score": self.budget, "retrain": self.retrain}
