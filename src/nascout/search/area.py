"""AREA: regularised evolution whose first population a training-free score has chosen."""

from __future__ import annotations

from nascout.errors import ConfigError
from nascout.search.evolution import RegularisedEvolution
from nascout.search.strategy import strategy

__all__ = ["Area"]


@strategy("area", paper="arXiv:2006.04647")
class Area(RegularisedEvolution):
    """Assisted regularised evolution: a score picks whom to train first, then accuracies decide.

    Algorithm 2 of NAS without training, with any score as assistant: ``warm_up`` random
    architectures are scored, the best ``population`` are trained and evolved. The defaults are the
    paper's for NAS-Bench-201, where fitness is the accuracy after 12 epochs.

    Args:
        budget, objectives, epochs, retrain, final_epochs: see :class:`Sequential`; ``epochs`` is
            at least 1. The first objective is the assistant.
        population, tournament, warm_up: see :class:`RegularisedEvolution`.
    """

    epochs: int = 12
    warm_up: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs < 1 or self.warm_up < 1:
            raise ConfigError(
                f"area: epochs = {self.epochs}, warm_up = {self.warm_up}",
                "Give at least 1 of each; to evolve a score alone, use regularised_evolution.",
            )
