"""Bayesian optimisation and its kin: a sampler of Optuna, on any space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nascout.errors import UnknownName
from nascout.search.optuna_state import Suggested, import_optuna
from nascout.search.sequential import Chooser, Sequential
from nascout.search.strategy import strategy
from nascout.space import Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

__all__ = ["OptunaSearch"]

SAMPLERS: Final = ("GP", "Random", "TPE")


@strategy("optuna", paper="arXiv:1907.10902")
class OptunaSearch(Sequential):
    """A sampler of Optuna chooses, by default its tree-structured Parzen estimator.

    A space is an Optuna search space by itself, see :func:`nascout.search.optuna_space.suggest`.
    What a constraint rejected and what failed is not told. Needs the extra ``optuna``.

    NSGA-II is a strategy of its own. Samplers that do not model categorical decisions
    (CMA-ES), or count what they were asked instead of looking at what was evaluated (QMC, grid,
    brute force), are not offered.

    Args:
        budget, objectives, epochs, retrain, final_epochs: see :class:`Sequential`.
        sampler: ``TPE``, ``GP`` (which needs torch) or ``Random``, with Optuna's defaults.
    """

    sampler: str = "TPE"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sampler not in SAMPLERS:
            raise UnknownName("sampler", self.sampler, SAMPLERS)

    def start(self, space: Space) -> Chooser:
        """An empty study.

        Raises:
            MissingExtra: Optuna is not installed.
        """
        import_optuna()
        return Suggested(self, space, self._make)

    def _make(self, seed: int) -> BaseSampler:
        from optuna import samplers

        made: BaseSampler = getattr(samplers, f"{self.sampler}Sampler")(seed=seed)
        return made
