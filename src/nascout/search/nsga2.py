"""NSGA-II: evolution towards the whole Pareto front of several objectives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from nascout.errors import ConfigError
from nascout.records import Objective
from nascout.search.history import Trial
from nascout.search.optuna_space import suggest
from nascout.search.optuna_state import Suggested, import_optuna
from nascout.search.sequential import Chooser, Sequential
from nascout.search.strategy import best, strategy
from nascout.space import Architecture, Space

if TYPE_CHECKING:
    from optuna.samplers import NSGAIISampler

__all__ = ["Nsga2"]


@strategy("nsga2", paper="doi:10.1109/4235.996017")
class Nsga2(Sequential):
    """Non-dominated sorting and crowding choose the parents, for several objectives at once.

    The algorithm is Optuna's ``NSGAIISampler``: uniform crossover with probability 0.9, and a
    mutation that draws each decision anew with probability one over their number. Where ``epochs``
    makes fitness an accuracy, it takes the place of the objectives that are scores; costs stay.
    Winners are the first objective's best of the Pareto front. Needs the extra ``optuna``.

    Args:
        budget, epochs, retrain, final_epochs: see :class:`Sequential`.
        objectives: all of them are optimised.
        population: architectures per generation.
    """

    objectives: tuple[Objective, ...] = (
        Objective("independence", True),
        Objective("params", False),
    )
    population: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.population < 2:
            raise ConfigError(f"nsga2: population = {self.population}", "Give at least 2.")

    def start(self, space: Space) -> Chooser:
        """No generation yet.

        Raises:
            MissingExtra: Optuna is not installed.
        """
        import_optuna()
        return _Generations(self, space)


class _Generations(Suggested):
    def __init__(self, strategy: Nsga2, space: Space) -> None:
        make = partial(_sampler, strategy.population)
        super().__init__(strategy, space, make, len(strategy.objectives))
        self._population, self._recorded = strategy.population, 0
        self._evaluated: list[Trial] = []

    def learn(self, trial: Trial, loss: float) -> None:
        super().learn(trial, loss)
        self._evaluated.append(trial)

    def record(self, architecture: Architecture, losses: Sequence[float]) -> None:
        from optuna.trial import TrialState

        self.study.enqueue_trial({k: v for k, v in architecture.choices.items() if v is not None})
        trial = self.study.ask()
        _ = trial.relative_params  # asking for them is what puts a trial into its generation
        suggest(trial, self.space)
        self.study.tell(trial, losses)
        self._recorded += 1
        if self._recorded % self._population == 0:
            # Whoever asks first in a generation sees its parents in another order than the others
            # do; so that it matters to nobody, ask in vain.
            first = self.study.ask()
            _ = first.relative_params
            self.study.tell(first, state=TrialState.FAIL)

    def winners(self, count: int) -> list[Architecture]:
        ranked = best(self._evaluated, self.objectives, count)
        return [trial.architecture for trial in ranked]


def _sampler(population: int, seed: int) -> NSGAIISampler:
    from optuna.samplers import NSGAIISampler

    return NSGAIISampler(population_size=population, seed=seed)
