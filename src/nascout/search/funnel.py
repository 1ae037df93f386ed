"""The funnel: score many, constrain, keep the Pareto-best, halve by short trainings, retrain."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from nascout.errors import ConfigError
from nascout.records import Objective
from nascout.search.history import Proposal, Trial
from nascout.search.strategy import Stop, Strategy, best, explore, finished, foreseen, strategy
from nascout.space import Architecture, Space

__all__ = ["Funnel"]


@strategy("funnel")
class Funnel(Strategy):
    """Training-free scores choose a shortlist, successive halving the few that are retrained.

    1. ``budget`` distinct samples that satisfy the constraints are scored.
    2. The ``shortlist`` best under the objectives go on: by Pareto front, then by score.
    3. Rung i trains the survivors from scratch for ``epochs * eta**i`` epochs and keeps one in
       ``eta``, judged by ``val_accuracy`` in place of the score, until ``retrain`` are left.
    4. Those are retrained for ``final_epochs``; only then the test part is looked at.

    Args:
        budget: architectures to score.
        objectives: the first ranks within a front.
        shortlist: architectures trained in the first rung.
        eta: the rate of halving.
        epochs: of the first rung.
        retrain: architectures retrained at the end.
        final_epochs: of the last training.
    """

    budget: int = 256
    objectives: tuple[Objective, ...] = (
        Objective("independence", True),
        Objective("latency_ms", False),
        Objective("params", False),
    )
    shortlist: int = 12
    eta: int = 2
    epochs: int = 2
    retrain: int = 3
    final_epochs: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        knobs = (self.shortlist, self.epochs, self.retrain, self.final_epochs)
        if self.eta < 2 or min(knobs) < 1 or self.retrain > self.shortlist:
            raise ConfigError(
                f"funnel: eta = {self.eta}, shortlist = {self.shortlist}, retrain = {self.retrain}",
                "Give eta >= 2, at least one epoch, and shortlist >= retrain >= 1.",
            )

    def rungs(self) -> list[tuple[int, int]]:
        """(architectures, epochs) of every rung.

        >>> Funnel(shortlist=16, eta=2, epochs=2, retrain=4).rungs()
        [(16, 2), (8, 4)]
        """
        rungs, count, epochs = [], self.shortlist, self.epochs
        while count > self.retrain:
            rungs.append((count, epochs))
            count, epochs = max(count // self.eta, self.retrain), epochs * self.eta
        return rungs

    def ask(self, space: Space, history: Sequence[Trial], rng: random.Random) -> Proposal | Stop:
        """The first thing that the four steps still lack."""
        proposal = explore(space, history, self.budget, rng)
        if proposal is not None:
            return proposal
        scored = [trial for trial in history if trial.stage == "score"]
        survivors = best(scored, self.objectives, self.shortlist)
        rungs = self.rungs()
        following = [count for count, _ in rungs[1:]] + [self.retrain]
        for (_, epochs), keep in zip(rungs, following, strict=True):
            trained = _at(history, "train", epochs)
            for trial in survivors:
                if trial.architecture not in trained:
                    return Proposal(trial.architecture, "train", epochs)
            survivors = best([trained[t.architecture] for t in survivors], self.objectives, keep)
        retrained = _at(history, "retrain", self.final_epochs)
        for trial in survivors:
            if trial.architecture not in retrained:
                return Proposal(trial.architecture, "retrain", self.final_epochs)
        return finished(history, self.budget)

    def foreseen(self, space: Space, seed: int) -> Iterator[Architecture]:
        """The samples."""
        return foreseen(space, self.budget, seed)

    def plan(self) -> Mapping[str, int]:
        """Scores, all rungs together, final trainings."""
        return {
            "score": self.budget,
            "train": sum(count for count, _ in self.rungs()),
            "retrain": self.retrain,
        }


def _at(history: Sequence[Trial], stage: str, epochs: int) -> dict[object, Trial]:
    """The trials of one rung by architecture; of a repeated one, the first."""
    chosen = (t for t in history if t.stage == stage and t.proposal.epochs == epochs)
    return {t.architecture: t for t in sorted(chosen, key=lambda t: t.number, reverse=True)}
