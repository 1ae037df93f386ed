"""A strategy is a fold over history: the same seed and history give the same next proposal."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from typing_extensions import dataclass_transform

from nascout.errors import ConfigError
from nascout.records import Objective, Outcome
from nascout.registry import Registry
from nascout.search.history import Proposal, Stop, Trial
from nascout.search.pareto import at_stage, pareto_ranks
from nascout.search.state import Remembered, State
from nascout.space import Architecture, Space

__all__ = [
    "STRATEGIES",
    "Stop",
    "Strategy",
    "best",
    "explore",
    "finished",
    "foreseen",
    "generator",
    "strategy",
    "unseen",
]

# Attempts to sample something new before a space counts as exhausted.
PATIENCE = 1000
# Architectures of a space that may be gone through one by one.
ENUMERABLE = 100_000
# Proposals that the constraints may reject for each one they let through, before giving up.
REJECTIONS = 20


class Strategy(ABC):
    """Base of every strategy: a frozen record of knobs with one method that matters.

    Attributes:
        budget: how many architectures to score (those the constraints reject do not count).
        objectives: what to optimise; the first one ranks architectures of one Pareto front.
    """

    name: ClassVar[str]
    paper: ClassVar[str] = ""
    budget: int
    objectives: tuple[Objective, ...]

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise ConfigError(f"budget = {self.budget}", "Score at least one architecture.")
        if not self.objectives:
            raise ConfigError(f"{self.name} has no objective", "Give at least one.")

    @abstractmethod
    def ask(self, space: Space, history: Sequence[Trial], rng: random.Random) -> Proposal | Stop:
        """What to evaluate next, given every trial so far; ``rng`` is :func:`generator`'s."""

    def start(self, space: Space) -> State:
        """The same strategy told and asked step by step, for a fold that costs no replaying."""
        return Remembered(self.ask, space)

    def foreseen(self, space: Space, seed: int) -> Iterator[Architecture]:
        """What will be scored first, in order, whatever comes of it; by default, nothing.

        A search scores these several at a time, which is faster. Proposals stay those of
        :meth:`ask`: foreseeing too much or in another order costs time, not correctness.
        """
        return iter(())

    @abstractmethod
    def plan(self) -> Mapping[str, int]:
        """About how many proposals of each stage there will be, for showing progress."""


STRATEGIES: Registry[type[Strategy]] = Registry(
    "strategy",
    modules=(
        "nascout.controller.nas_rl",
        "nascout.controller.ppo",
        "nascout.search.area",
        "nascout.search.bohb",
        "nascout.search.evolution",
        "nascout.search.funnel",
        "nascout.search.hyperband",
        "nascout.search.local_search",
        "nascout.search.neat",
        "nascout.search.nsga2",
        "nascout.search.optuna_search",
        "nascout.search.predictor_guided",
        "nascout.search.random_search",
        "nascout.search.reinforce",
    ),
)

T = TypeVar("T", bound=Strategy)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def strategy(name: str, *, paper: str = "") -> Callable[[type[T]], type[T]]:
    """Register a strategy: ``@strategy("name", paper="arXiv:...")`` above its class."""

    def register(cls: type[T]) -> type[T]:
        record = dataclass(frozen=True, kw_only=True)(cls)
        record.name, record.paper = name, paper
        STRATEGIES.add(name, record)
        return record

    return register


def generator(seed: int, history: Sequence[Trial]) -> random.Random:
    """The random generator for the next proposal: a function of the seed and the history's length.

    >>> generator(0, ()).random() == generator(0, ()).random()
    True
    """
    return _generator(seed, len(history))


def _generator(seed: int, number: int) -> random.Random:
    return random.Random(f"{seed}/{number}")


def explore(
    space: Space, history: Sequence[Trial], budget: int, rng: random.Random
) -> Proposal | Stop | None:
    """An architecture not yet proposed, to be scored; ``None`` when ``budget`` of them are.

    Uniform sampling without replacement. ``Stop`` if nothing satisfied the constraints.
    """
    scored = {t.architecture for t in history if t.stage == "score"}
    if _admitted(history) < budget and len(scored) < REJECTIONS * budget:
        fresh = unseen(space, scored, rng)
        if fresh is not None:
            return Proposal(fresh)
    return None if _admitted(history) else Stop("infeasible")


def foreseen(space: Space, budget: int, seed: int) -> Iterator[Architecture]:
    """What a search that starts with uniform samples scores first, if nothing is rejected."""
    scored: set[Architecture] = set()
    while len(scored) < budget:
        fresh = unseen(space, scored, _generator(seed, len(scored)))
        if fresh is None:
            return
        scored.add(fresh)
        yield fresh


def unseen(space: Space, seen: Collection[Architecture], rng: random.Random) -> Architecture | None:
    """A uniform sample that is not among ``seen``; ``None`` if there seems to be none left."""
    for _ in range(PATIENCE):
        fresh = space.sample(rng)
        if fresh not in seen:
            return fresh
    if len(seen) < space.size <= ENUMERABLE:
        # Look for what sampling keeps missing.
        return next(left for left in space if left not in seen)
    return None


def finished(history: Sequence[Trial], budget: int) -> Stop:
    """The end of a search: ``"done"``, or ``"exhausted"`` if ``budget`` could not be spent."""
    return Stop("done" if _admitted(history) >= budget else "exhausted")


def _admitted(history: Sequence[Trial]) -> int:
    """How many distinct architectures the constraints let through."""
    return len(
        {
            trial.architecture
            for trial in history
            if trial.stage == "score" and trial.outcome is not Outcome.INFEASIBLE
        }
    )


def best(trials: Sequence[Trial], objectives: Sequence[Objective], count: int) -> list[Trial]:
    """The ``count`` best successful trials of one stage, one per distinct network.

    By Pareto front, then by the first objective, then by age.
    """
    distinct: dict[str, Trial] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        if trial.outcome is Outcome.OK:
            distinct.setdefault(trial.architecture.digest, trial)
    ok = list(distinct.values())
    judged = at_stage(objectives, ok[0].stage) if ok else ()
    ranks = pareto_ranks([trial.values for trial in ok], judged)
    order = sorted(
        range(len(ok)), key=lambda i: (ranks[i], judged[0].loss(ok[i].values), ok[i].number)
    )
    return [ok[i] for i in order[:count]]
