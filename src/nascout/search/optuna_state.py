"""An Optuna study that is told the history and asked for architectures."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nascout.errors import MissingExtra
from nascout.search.history import Trial
from nascout.search.optuna_space import suggest
from nascout.search.sequential import Chooser, Sequential
from nascout.space import Architecture, Space

if TYPE_CHECKING:
    import optuna

__all__ = ["Suggested", "import_optuna"]

# Suggestions that are known or no architectures, until a uniform sample takes their place.
TRIES = 20


def import_optuna() -> None:
    """Nothing, if Optuna is installed.

    Raises:
        MissingExtra: it is not.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise MissingExtra("this strategy", "optuna") from None


class Suggested(Chooser):
    """The state of a strategy that leaves the choice to a sampler of Optuna.

    The study is in memory and holds what was evaluated, in the order of the history. Each choice
    is made by a new sampler, seeded with the generator given, so it depends on nothing else.

    Args:
        strategy: whose knobs apply.
        space: what to search.
        make: the sampler with a given seed.
        count: how many of the objectives it is told, from the first.

    Attributes:
        study: Optuna's; all directions are "minimize".
    """

    def __init__(
        self,
        strategy: Sequential,
        space: Space,
        make: Callable[[int], optuna.samplers.BaseSampler],
        count: int = 1,
    ) -> None:
        import optuna

        super().__init__(strategy, space)
        self._make, self._told = make, self.objectives[:count]
        with _quiet():
            self.study = optuna.create_study(
                directions=["minimize"] * len(self._told), sampler=make(0)
            )

    def learn(self, trial: Trial, loss: float) -> None:
        """Tell it, if it has all the objectives."""
        losses = [objective.loss(trial.values) for objective in self._told]
        if loss < math.inf and max(losses) < math.inf:
            with _quiet():
                self.record(trial.architecture, losses)

    def choose(self, rng: random.Random) -> Architecture | None:
        """The sampler's suggestion; a uniform sample if it only has known ones."""
        from optuna import TrialPruned
        from optuna.trial import TrialState

        self.study.sampler = self._make(rng.getrandbits(32))
        asked = []
        with _quiet():
            try:
                for _ in range(TRIES):
                    asked.append(self.study.ask())
                    try:
                        drawn = suggest(asked[-1], self.space)
                    except TrialPruned:
                        continue
                    if drawn not in self.pool.seen:
                        return drawn
            finally:  # samplers ignore trials that failed: asking leaves no trace
                for trial in asked:
                    self.study.tell(trial, state=TrialState.FAIL)
        return self.pool.fresh(rng)

    def record(self, architecture: Architecture, losses: Sequence[float]) -> None:
        """Add a finished trial to the study."""
        import optuna

        kinds = {
            choice.name: optuna.distributions.CategoricalDistribution(choice.options)
            for choice in self.space.decisions
        }
        params = {k: value for k, value in architecture.choices.items() if value is not None}
        self.study.add_trial(
            optuna.create_trial(
                params=params, distributions={name: kinds[name] for name in params}, values=losses
            )
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's messages about every study and parameter."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
