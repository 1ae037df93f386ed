"""Random search, with or without training-free selection."""

from __future__ import annotations

import random
from collections.abc import Iterator

from nascout.search.sequential import Chooser, Sequential
from nascout.search.strategy import foreseen, strategy
from nascout.space import Architecture, Space

__all__ = ["RandomSearch"]


@strategy("random", paper="arXiv:2006.04647")
class RandomSearch(Sequential):
    """NAS without training's algorithm 1: the best score of ``budget`` samples wins.

    With ``epochs`` the samples are trained, and it is the random search that other strategies are
    compared to. Samples are uniform and distinct.

    Args:
        budget: N, how many architectures to score.
        objectives, epochs, retrain, final_epochs: see :class:`Sequential`. The paper looks up the
            one architecture of the highest score.
    """

    def start(self, space: Space) -> Chooser:
        """Nothing sampled yet."""
        return _Sampling(self, space)

    def foreseen(self, space: Space, seed: int) -> Iterator[Architecture]:
        """The samples, unless trainings come between them."""
        return iter(()) if self.epochs else foreseen(space, self.budget, seed)


class _Sampling(Chooser):
    def choose(self, rng: random.Random) -> Architecture | None:
        return self.pool.fresh(rng)
