"""The funnel: score many, constrain, halve by short trainings, let a predictor go on, retrain."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice

from nascout.errors import ConfigError
from nascout.records import Objective, Outcome
from nascout.search.guide import Guide, GuideKnobs
from nascout.search.history import Proposal, Trial
from nascout.search.hyperband import Bracket, brackets, climbing
from nascout.search.pareto import at_stage
from nascout.search.pool import Pool
from nascout.search.rungs import rung_epochs
from nascout.search.state import State, replay
from nascout.search.strategy import Stop, Strategy, best, foreseen, strategy
from nascout.space import Architecture, Space

__all__ = ["Funnel"]


@strategy("funnel")
class Funnel(Strategy):
    """Training-free scores choose a shortlist, short trainings the few that are retrained.

    1. Distinct samples that satisfy the constraints are scored.
    2. The ``shortlist`` best under the objectives go on: by Pareto front, then by score.
    3. Successive halving: rung i trains the survivors from scratch for ``epochs * eta**i`` epochs
       and keeps one in ``eta``, judged by ``val_accuracy`` in place of the score, until ``retrain``
       are left. With ``hyperband``, brackets that start at every rung share the shortlist, the
       widest first, as it was sampled.
    4. Bayesian optimisation: ``guided`` more are trained for as long as the last rung. A predictor
       of ``val_accuracy`` chooses them among everything scored; it has learnt from all trainings,
       with decisions, scores, costs and epochs as features. ``mutants`` of the best so far and new
       samples are scored for each. Off by default.
    5. The best of the longest trained, under the objectives, are retrained for ``final_epochs``;
       only then the test part is looked at.

    Each part can be left out: no filter with ``budget = shortlist + guided * mutants``, no halving
    with one number in ``rung_epochs``, no Bayesian optimisation with ``guided = 0``.

    Args:
        budget: architectures to score, mutants included.
        objectives: the first ranks within a front; the predictor sees accuracy alone.
        shortlist: architectures that are trained before ``guided`` ones.
        eta: the rate of halving.
        epochs: of the first rung.
        rung_epochs: of every rung, where they are not powers of ``eta``; see
            :class:`nascout.search.hyperband.Halving`.
        hyperband: several brackets instead of one.
        guided: trainings that the predictor chooses.
        mutants: architectures scored for each of these.
        batch: choices between two fits.
        loss, acquisition: see :class:`nascout.search.predictor_guided.PredictorGuided`.
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
    rung_epochs: tuple[int, ...] = ()
    hyperband: bool = False
    guided: int = 0
    mutants: int = 0
    batch: int = 5
    loss: str = "mse"
    acquisition: str = "thompson"
    retrain: int = 3
    final_epochs: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "rung_epochs", rung_epochs(self.rung_epochs))
        self.knobs()
        knobs = (self.shortlist, self.epochs, self.retrain, self.final_epochs, self.batch)
        if self.eta < 2 or min(knobs) < 1 or self.retrain > self.shortlist:
            raise ConfigError(
                f"funnel: eta = {self.eta}, shortlist = {self.shortlist}, retrain = {self.retrain}",
                "Give eta >= 2, at least one epoch, and shortlist >= retrain >= 1.",
            )
        if min(self.guided, self.mutants) < 0 or self.guided * self.mutants >= self.budget:
            raise ConfigError(
                f"funnel: budget = {self.budget}, guided = {self.guided}, mutants = {self.mutants}",
                "Give a budget above guided * mutants; they are part of it.",
            )
        if self.guided and not self.lengths:
            raise ConfigError(
                f"funnel: guided = {self.guided} and nothing to learn from",
                "Give a shortlist above retrain, so that some are trained before.",
            )

    def knobs(self) -> GuideKnobs:
        """Those of the predictor alone."""
        return GuideKnobs(loss=self.loss, acquisition=self.acquisition)

    @property
    def sample(self) -> int:
        """How many uniform samples are scored; the rest of the budget is for mutants."""
        return self.budget - self.guided * self.mutants

    def rungs(self) -> list[tuple[int, int]]:
        """(architectures, epochs) of every rung of successive halving.

        >>> Funnel(shortlist=16, eta=2, epochs=2, retrain=4).rungs()
        [(16, 2), (8, 4)]
        """
        rungs: list[tuple[int, int]] = []
        count = self.shortlist
        while count > self.retrain and len(rungs) < (len(self.rung_epochs) or count):
            place = len(rungs)
            epochs = self.rung_epochs[place] if self.rung_epochs else self.epochs * self.eta**place
            rungs.append((count, epochs))
            count = max(count // self.eta, self.retrain)
        return rungs

    @property
    def lengths(self) -> tuple[int, ...]:
        """The epochs of all rungs that are reached."""
        if self.hyperband and self.rung_epochs:
            return self.rung_epochs
        return tuple(epochs for _, epochs in self.rungs())

    def ladders(self) -> Iterator[Bracket]:
        """Who trains how long, in order: brackets that share the shortlist.

        >>> list(Funnel(shortlist=7, rung_epochs=(12, 200), eta=3, hyperband=True).ladders())
        [[(3, 12), (1, 200)], [(2, 200)], [(2, 12), (1, 200)]]
        """
        left = self.shortlist
        if not (self.hyperband and self.lengths):
            yield self.rungs()
            return
        for bracket in cycle(brackets(self.lengths, self.eta)):
            members = min(left, bracket[0][0])
            yield [(climbing(members, self.eta, i), e) for i, (_, e) in enumerate(bracket)]
            left -= members
            if not left:
                return

    def start(self, space: Space) -> State:
        """Nothing scored."""
        return _Funnel(self, space)

    def ask(self, space: Space, history: Sequence[Trial], rng: random.Random) -> Proposal | Stop:
        """The first thing that the five steps still lack."""
        return replay(self.start(space), history).ask(rng)

    def foreseen(self, space: Space, seed: int) -> Iterator[Architecture]:
        """The samples."""
        return foreseen(space, self.sample, seed)

    def plan(self) -> Mapping[str, int]:
        """Scores, all rungs together with what the predictor chooses, final trainings."""
        trained = sum(count for ladder in self.ladders() for count, _ in ladder)
        return {"score": self.budget, "train": trained + self.guided, "retrain": self.retrain}


class _Funnel(State):
    def __init__(self, strategy: Funnel, space: Space) -> None:
        self._strategy = strategy
        self._pool, self._guide = Pool(space, strategy.budget), Guide(space, strategy.knobs())
        self._accuracy = at_stage(strategy.objectives, "train")[0]
        self._longest = max(strategy.lengths, default=0)
        self._sample: list[Trial] = []
        self._trained: dict[tuple[Architecture, int], Trial] = {}
        self._retrained: set[Architecture] = set()
        self._candidates: dict[Architecture, None] = {}  # for the predictor
        self._halving: Iterator[tuple[Architecture, int]] | None = None
        self._next: tuple[Architecture, int] | None = None  # of the halving
        self._halved = 0  # trainings of the halving that are done

    def tell(self, trial: Trial) -> None:
        """Take in a trial."""
        architecture, ok = trial.architecture, trial.outcome is Outcome.OK
        new = architecture not in self._pool.seen
        self._pool.tell(trial)
        if trial.stage == "retrain":
            self._retrained.add(architecture)
        elif trial.stage == "train":
            self._learn(trial, ok)
        elif ok and new:
            self._guide.scored(architecture, trial.values)
            self._candidates[architecture] = None
            if self._pool.admitted <= self._strategy.sample:
                self._sample.append(trial)
                self._halving = None

    def _learn(self, trial: Trial, ok: bool) -> None:
        key = trial.architecture, trial.proposal.epochs
        if key not in self._trained:
            self._trained[key] = trial
            self._guide.evaluated(*key, self._accuracy.loss(trial.values) if ok else math.inf)
            if not ok or key[1] == self._longest:
                self._candidates.pop(trial.architecture, None)

    def ask(self, rng: random.Random) -> Proposal | Stop:
        """The first thing that is lacking."""
        if self._pool.is_open and self._pool.admitted < self._strategy.sample:
            fresh = self._pool.fresh(rng)
            if fresh is not None:
                return Proposal(fresh)
        training = self._halve()
        if training is not None:
            return Proposal(training[0], "train", training[1])
        guided = len(self._trained) - self._halved
        if self._halved and guided < self._strategy.guided:
            proposal = self._guided(guided, rng)
            if proposal is not None:
                return proposal
        for trial in self._winners():
            if trial.architecture not in self._retrained:
                return Proposal(trial.architecture, "retrain", self._strategy.final_epochs)
        return self._pool.stop()

    def _halve(self) -> tuple[Architecture, int] | None:
        """The next training of the halving; ``None`` at its end."""
        if self._halving is None:
            self._halving, self._halved = self._ladders(), 0
            self._next = next(self._halving, None)
        while self._next in self._trained:
            self._halved += 1
            self._next = next(self._halving, None)
        return self._next

    def _ladders(self) -> Iterator[tuple[Architecture, int]]:
        """All trainings of the halving; each is done before the next is asked for."""
        strategy = self._strategy
        shortlist = best(self._sample, strategy.objectives, strategy.shortlist)
        if strategy.hyperband:
            shortlist.sort(key=lambda trial: trial.number)
        members = iter(shortlist)
        for ladder in strategy.ladders():
            survivors = list(islice(members, ladder[0][0] if ladder else None))
            for count, epochs in ladder:
                keys = [
                    (one.architecture, epochs)
                    for one in best(survivors, strategy.objectives, count)
                ]
                yield from keys
                survivors = [self._trained[key] for key in keys]

    def _guided(self, done: int, rng: random.Random) -> Proposal | None:
        """The predictor's: what is to be scored for its batch, then what it chooses to train."""
        strategy = self._strategy
        batches, chosen = divmod(done, strategy.batch)
        self._guide.know(len(self._trained) - chosen, len(self._sample))
        wanted = strategy.sample + strategy.mutants * strategy.batch * (batches + 1)
        if self._pool.is_open and self._pool.admitted < wanted:
            for new in self._guide.candidates(self._pool, 1, rng):
                return Proposal(new)
        if not self._candidates:
            return None
        chosen_one = self._guide.choose(list(self._candidates), self._longest, rng)
        return Proposal(chosen_one, "train", self._longest)

    def _winners(self) -> list[Trial]:
        strategy = self._strategy
        last = [trial for (_, e), trial in self._trained.items() if e == self._longest]
        among = last if self._longest else self._sample
        return best(among, strategy.objectives, strategy.retrain)
