"""REINFORCE: a softmax per decision, moved towards what did better than before."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from nascout.errors import ArchitectureError, ConfigError
from nascout.search.history import Trial
from nascout.search.sequential import Chooser, Sequential
from nascout.search.strategy import strategy
from nascout.space import Architecture, Space

__all__ = ["Reinforce"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

# Draws of the policy that are known or no architectures, until one of them is mutated instead.
DRAWS = 20


@strategy("reinforce", paper="arXiv:2001.00326")
class Reinforce(Sequential):
    """Policy gradient on one independent softmax per decision, as in NAS-Bench-201's script.

    Reward R is the fitness: accuracy in percent, or the score. After each evaluation the logits
    take one step of Adam on ``-(R - b) log p(architecture)``; b is the exponential moving average
    of the rewards, corrected for its start and including R. Decisions that were not open have no
    part in p.

    Deviations from the script: logits start at 0, not at 0.001 times normal draws; what was
    proposed before is drawn again, and mutated if that does not help, so a policy that has settled
    explores its surroundings. Zoph and Le (arXiv:1611.01578) have the cube of the accuracy as
    reward, and a recurrent network as policy.

    Args:
        budget, objectives, epochs, retrain, final_epochs: see :class:`Sequential`.
        learning_rate: of Adam. NAS-Bench-201's script takes 0.5, NATS-Bench's 0.01.
        momentum: of the baseline.
    """

    learning_rate: float = 0.5
    momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.learning_rate > 0 and 0 <= self.momentum < 1):
            raise ConfigError(
                f"reinforce: learning_rate = {self.learning_rate}, momentum = {self.momentum}",
                "Give learning_rate > 0 and 0 <= momentum < 1.",
            )

    def start(self, space: Space) -> Chooser:
        """A uniform policy."""
        return _Policy(self, space)


class _Policy(Chooser):
    def __init__(self, strategy: Reinforce, space: Space) -> None:
        super().__init__(strategy, space)
        self._rate, self._momentum = strategy.learning_rate, strategy.momentum
        sizes = [len(choice.options) for choice in space.decisions]
        self._starts = np.cumsum([0, *sizes[:-1]])
        self._decision = np.repeat(np.arange(len(sizes)), sizes)  # of each option
        self._logits = np.zeros(sum(sizes))
        self._means = np.zeros((2, sum(sizes)))  # Adam's, of the gradient and of its square
        self._rewards, self._steps = 0.0, 0

    def probabilities(self) -> Floats:
        """Of every option of every decision, one decision after another."""
        tops = np.maximum.reduceat(self._logits, self._starts)
        weights = np.exp(self._logits - tops[self._decision])
        return np.asarray(weights / np.add.reduceat(weights, self._starts)[self._decision])

    def learn(self, trial: Trial, loss: float) -> None:
        if loss == math.inf:
            return
        self._steps += 1
        self._rewards = self._momentum * self._rewards - (1 - self._momentum) * loss
        baseline = self._rewards / (1 - self._momentum**self._steps)
        taken = np.array(self.space.encode(trial.architecture), dtype=float)
        is_open = np.add.reduceat(taken, self._starts)[self._decision]
        gradient = (loss + baseline) * (taken - is_open * self.probabilities())
        self._step(gradient)

    def _step(self, gradient: Floats) -> None:
        """One step of Adam against ``gradient``."""
        decays = np.array([[0.9], [0.999]])
        now = np.stack([gradient, gradient**2])
        self._means = decays * self._means + (1 - decays) * now
        mean, square = self._means / (1 - decays**self._steps)
        self._logits -= self._rate * mean / (np.sqrt(square) + 1e-8)

    def choose(self, rng: random.Random) -> Architecture | None:
        parts = np.split(self.probabilities(), self._starts[1:])
        chances = [np.cumsum(part).tolist() for part in parts]
        known: Architecture | None = None
        for _ in range(DRAWS):
            drawn = self._architecture(self._draw(chances, rng))
            if drawn is not None and drawn not in self.pool.seen:
                return drawn
            known = drawn or known
        beside = self.pool.beside(known, rng) if known is not None else None
        return beside or self.pool.fresh(rng)

    def _draw(self, chances: list[list[float]], rng: random.Random) -> tuple[str | None, ...]:
        """One option per open decision; ``chances`` are cumulative."""
        made: dict[str, str | None] = {}
        for choice, cumulative in zip(self.space.decisions, chances, strict=True):
            drawn = rng.choices(choice.options, cum_weights=cumulative)[0]
            made[choice.name] = drawn if choice.is_open(made) else None
        return tuple(made.values())

    def _architecture(self, values: tuple[str | None, ...]) -> Architecture | None:
        try:
            return Architecture(self.space, values)
        except ArchitectureError:  # decisions that do not fit together
            return None
