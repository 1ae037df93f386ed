"""Predictor-guided search: an ensemble says which architecture to train next."""

from __future__ import annotations

import random
from collections.abc import Mapping

from nascout.errors import ConfigError
from nascout.records import Outcome
from nascout.search.guide import Guide, GuideKnobs
from nascout.search.history import Proposal, Stop, Trial
from nascout.search.sequential import Chooser, Sequential
from nascout.search.strategy import strategy
from nascout.space import Architecture, Space

__all__ = ["PredictorGuided"]

# Candidates that the predictor compares for one choice, where it needs no scores of them.
CANDIDATES = 20


@strategy("predictor_guided", paper="arXiv:1910.11858")
class PredictorGuided(Sequential):
    """Bayesian optimisation with an ensemble as predictor, after BANANAS.

    ``initial`` random architectures are trained. Then, ``batch`` at a time, the ensemble is fitted
    to all accuracies so far, and each architecture of the batch is the best candidate by one draw
    of independent Thompson sampling. Candidates are mutants of the five best so far and uniform
    samples, about half of each.

    With ``screen`` = 0 the ensemble knows the decisions only, and what it chooses is scored and
    trained. With ``screen`` = n, n candidates are scored for every one that is trained; their
    scores and costs are features (the predictors of NAS-Bench-Suite-Zero, arXiv:2210.03230), and
    what was not chosen remains a candidate. ``budget`` counts what is scored, so ``budget //
    screen`` are trained.

    Deviations from BANANAS: kernel ridge regressions on the ranks of the accuracies in place of
    deep perceptrons; decisions in place of paths; 20 new candidates for each choice, of which half
    are uniform, where it has 100 mutants for a batch of ten; nothing is evaluated twice.

    Args:
        budget, objectives, epochs, retrain, final_epochs: see :class:`Sequential`. Without
            ``epochs`` the first score is predicted, which ``screen`` excludes.
        initial: random architectures at the start.
        batch: choices between two fits.
        screen: architectures scored for each one trained; 0 for the chosen ones only.
        loss: ``mse``; or ``pairwise``, a ranking in which failures are negative samples.
        negatives: of ``pairwise``: the share of the worst that is told apart from the others,
            beside failures; 1 for every pair.
        acquisition: ``thompson`` or ``expected_improvement``.
        members: of the ensemble.
    """

    epochs: int = 12
    initial: int = 10
    batch: int = 10
    screen: int = 0
    loss: str = "mse"
    negatives: float = 1.0
    acquisition: str = "thompson"
    members: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        self.knobs()
        if min(self.initial, self.batch) < 1 or self.screen < 0:
            raise ConfigError(
                f"{self.name}: initial = {self.initial}, batch = {self.batch}, "
                f"screen = {self.screen}",
                "Give at least one initial architecture, batch >= 1 and screen >= 0.",
            )
        if self.screen and not self.epochs:
            raise ConfigError(
                f"{self.name}: screen = {self.screen} without epochs",
                "Give epochs >= 1; a score cannot be its own feature.",
            )

    def knobs(self) -> GuideKnobs:
        """Those of the predictor alone."""
        return GuideKnobs(self.loss, self.negatives, self.acquisition, self.members)

    def start(self, space: Space) -> Chooser:
        """Nothing known."""
        return _Screened(self, space) if self.screen else _Guided(self, space)

    def plan(self) -> Mapping[str, int]:
        """``budget`` scores, as many trainings as that allows, and the last trainings."""
        plan = dict(super().plan())
        return plan | {"train": max(1, self.budget // self.screen)} if self.screen else plan


class _Guided(Chooser):
    """The predictor sees decisions only."""

    def __init__(self, strategy: PredictorGuided, space: Space) -> None:
        super().__init__(strategy, space)
        self.guide = Guide(space, strategy.knobs())
        self.initial, self.batch = strategy.initial, strategy.batch
        self.trained = 0  # also in vain; scored, where that is the fitness

    def choose(self, rng: random.Random) -> Architecture | None:
        if self.trained < self.initial:
            return self.pool.fresh(rng)
        among = self.guide.candidates(self.pool, CANDIDATES, rng)
        return self.guide.choose(among, self.epochs, rng) if among else None

    def learn(self, trial: Trial, loss: float) -> None:
        if trial.outcome is Outcome.INFEASIBLE:
            return
        self.guide.evaluated(trial.architecture, self.epochs, loss)
        if trial.stage == "train" or not self.epochs:
            self.trained += 1
            if self.trained >= self.initial and (self.trained - self.initial) % self.batch == 0:
                self.guide.know()


class _Screened(_Guided):
    """It sees scores and costs, too: many are scored, and then some of them trained."""

    def __init__(self, strategy: PredictorGuided, space: Space) -> None:
        super().__init__(strategy, space)
        self._screen, self._trainings = strategy.screen, strategy.plan()["train"]
        self._scored: dict[Architecture, None] = {}  # and not trained yet

    def tell(self, trial: Trial) -> None:
        super().tell(trial)
        if trial.stage == "score" and trial.outcome is Outcome.OK:
            self.guide.scored(trial.architecture, trial.values)
        self._scored.update(dict.fromkeys(self.waiting))
        self.waiting.clear()
        if trial.stage == "train":
            self._scored.pop(trial.architecture, None)

    def ask(self, rng: random.Random) -> Proposal | Stop:
        if self.trained < self._trainings and self._scored:
            lacking = self.pool.is_open and self.pool.admitted < self._wanted()
            chosen = self.choose(rng) if lacking else None
            if chosen is not None:
                return Proposal(chosen)
            return Proposal(self._best(rng), "train", self.epochs)
        return super().ask(rng)

    def choose(self, rng: random.Random) -> Architecture | None:
        if self.trained >= self._trainings:
            return None
        if self.trained < self.initial:
            return self.pool.fresh(rng)
        return next(iter(self.guide.candidates(self.pool, 1, rng)), None)

    def _wanted(self) -> int:
        """How many are scored before the next training."""
        batches = max(0, self.trained - self.initial) // self.batch + 1
        return self._screen * (self.initial + (self.trained >= self.initial) * batches * self.batch)

    def _best(self, rng: random.Random) -> Architecture:
        if self.trained < self.initial:
            return next(iter(self._scored))
        return self.guide.choose(list(self._scored), self.epochs, rng)
