"""BOHB: Hyperband whose members a density of the good ones proposes."""

from __future__ import annotations

import random
from collections.abc import Sequence

from nascout.errors import ConfigError
from nascout.search.density import Density
from nascout.search.history import Proposal, Stop
from nascout.search.hyperband import Brackets, Hyperband
from nascout.search.state import State
from nascout.search.strategy import strategy
from nascout.space import Architecture, Space

__all__ = ["Bohb", "split"]

# Draws for each one wanted, of which some are known or no architectures.
TRIES = 20


@strategy("bohb", paper="arXiv:1807.01774")
class Bohb(Hyperband):
    """Hyperband's brackets, and a tree-structured Parzen estimator in the place of chance.

    Once enough architectures were trained for one number of epochs, two densities are fitted, at
    the largest number for which that holds: l to the ``good`` share and g to the others, at least
    ``min_points`` each. Of ``samples`` draws of l the one of the highest l / g joins the bracket.
    It is trained at once, so the next choice knows of it. Failed trainings are bad.

    The defaults are those of the scripts of NAS-Bench-201. They give a bandwidth factor of 3, too,
    which concerns continuous parameters only.

    Deviations from the authors' code: the bandwidth of :class:`nascout.search.density.Density`;
    a decision that is drawn anew takes another value; what was proposed before is drawn again.
    Optuna's estimator is not used: for categorical decisions it knows neither the minimal
    bandwidth nor the budgets.

    Args:
        budget, objectives, eta, max_epochs, rung_epochs, retrain, final_epochs: see
            :class:`Halving`.
        samples: draws of l to choose from.
        random_fraction: of the members that are uniform.
        good: share of the observations that l is fitted to.
        min_points: for each density; 0 for one more than there are decisions.
        min_bandwidth: see :class:`nascout.search.density.Density`.
    """

    max_epochs: int = 12
    samples: int = 4
    random_fraction: float = 0.0
    good: float = 0.15
    min_points: int = 0
    min_bandwidth: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = (self.random_fraction, self.good, self.min_bandwidth)
        if not all(0 <= share <= 1 for share in shares) or self.samples < 1 or self.min_points < 0:
            raise ConfigError(
                f"bohb: samples = {self.samples}, random_fraction = {self.random_fraction}, "
                f"good = {self.good}, min_points = {self.min_points}, "
                f"min_bandwidth = {self.min_bandwidth}",
                "Give samples >= 1, min_points >= 0 and shares between 0 and 1.",
            )

    def start(self, space: Space) -> State:
        """The first bracket is empty, and nothing known."""
        return _Modelled(self, space)


def split(count: int, good: float, least: int) -> tuple[int, int] | None:
    """How many of ``count`` observations are good and bad; ``None`` where it is too early.

    Of few observations more than ``good`` are good, so that each density has ``least``.

    >>> split(100, 0.15, 7), split(20, 0.15, 7), split(13, 0.15, 7)
    ((15, 85), (7, 13), None)
    """
    best = max(least, int(good * count))
    worst = count - best
    return (best, worst) if worst >= least else None


class _Modelled(Brackets):
    def __init__(self, strategy: Bohb, space: Space) -> None:
        super().__init__(strategy, space)
        self._knobs, self._space = strategy, space
        self._least = strategy.min_points or len(space.decisions) + 1

    def ask(self, rng: random.Random) -> Proposal | Stop:
        """A member is trained before the next one is chosen."""
        epochs = self.bracket[0][1]
        for member in self.joining:
            if (member, epochs) not in self.losses:
                return Proposal(member, "train", epochs)
        return super().ask(rng)

    def choose(self, rng: random.Random) -> Architecture | None:
        divided = None if rng.random() < self._knobs.random_fraction else self._divided()
        if divided is None:
            return self.pool.fresh(rng)
        width = self._knobs.min_bandwidth
        good, bad = (Density(self._space, side, min_bandwidth=width) for side in divided)
        drawn: dict[Architecture, None] = {}
        for _ in range(TRIES * self._knobs.samples):
            one = good.sample(rng)
            if one is not None and one not in self.pool.seen:
                drawn[one] = None
            if len(drawn) == self._knobs.samples:
                break
        if not drawn:
            return self.pool.fresh(rng)
        choices = list(drawn)
        ratios = good.log(choices) - bad.log(choices)
        return choices[int(ratios.argmax())]

    def _divided(self) -> tuple[Sequence[Architecture], Sequence[Architecture]] | None:
        """The good and the bad at the largest number of epochs that has enough of both."""
        trained: dict[int, dict[Architecture, float]] = {}
        for (one, epochs), loss in self.losses.items():
            trained.setdefault(epochs, {})[one] = loss
        for epochs in sorted(trained, reverse=True):
            sizes = split(len(trained[epochs]), self._knobs.good, self._least)
            if sizes is not None:
                order = sorted(trained[epochs], key=trained[epochs].__getitem__)
                return order[: sizes[0]], order[sizes[0] :]
        return None
