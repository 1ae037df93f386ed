"""The learning rate of every step: a linear warm-up, then one of a few curves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nascout.train.ranges import require

if TYPE_CHECKING:
    from nascout.train.recipe import Recipe

__all__ = [
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Exponential",
    "Linear",
    "Schedule",
    "Steps",
    "learning_rate",
]


class Schedule:
    """A learning rate as a function of the epochs that are done, warm-up left out."""

    def rate(self, peak: float, epoch: float, epochs: float) -> float:
        """The learning rate after ``epoch`` (may be a fraction) of ``epochs`` epochs.

        Args:
            peak: the highest rate, at ``epoch = 0``.
            epoch: 0 to below ``epochs``.
            epochs: of the whole training.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate throughout."""

    def rate(self, peak: float, epoch: float, epochs: float) -> float:
        """``peak``."""
        return peak


@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from the peak to ``final``."""

    final: float = 0.0

    def rate(self, peak: float, epoch: float, epochs: float) -> float:
        """peak + (final - peak) · epoch / epochs."""
        return peak + (self.final - peak) * epoch / epochs


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from the peak to ``final`` (arXiv:1608.03983, eq. 5, no restart).

    Attributes:
        final: rate one step past the last.
        per_epoch: all steps of an epoch have the rate of its first.
    """

    final: float = 0.0
    per_epoch: bool = False

    def rate(self, peak: float, epoch: float, epochs: float) -> float:
        """final + (peak - final) · (1 + cos(π · epoch / epochs)) / 2."""
        epoch = math.floor(epoch) if self.per_epoch else epoch
        return self.final + (peak - self.final) * (1 + math.cos(math.pi * epoch / epochs)) / 2


@dataclass(frozen=True)
class CosineRestarts(Schedule):
    """Half a cosine again and again, each ``factor`` times longer (arXiv:1608.03983, eq. 5).

    Attributes:
        first: epochs of the first one.
        factor: at least 1.
        final: rate that each runs towards.
        per_epoch: all steps of an epoch have the rate of its first.
    """

    first: float = 10
    factor: float = 2
    final: float = 0.0
    per_epoch: bool = False

    def __post_init__(self) -> None:
        rules = (
            ("first", self.first > 0, "greater than 0"),
            ("factor", self.factor >= 1, "at least 1"),
        )
        require("CosineRestarts", self, rules)

    def rate(self, peak: float, epoch: float, epochs: float) -> float:
        """As a cosine of the period in which ``epoch`` lies."""
        epoch, period = (math.floor(epoch) if self.per_epoch else epoch), float(self.first)
        while epoch >= period:
            epoch, period = epoch - period, period * self.factor
        return Cosine(self.final).rate(peak, epoch, period)


@dataclass(frozen=True)
class Exponential(Schedule):
    """Times ``factor`` after every ``every`` epochs, in steps.

    It knows no end: fewer epochs cut it off, they do not stretch it.
    """

    factor: float
    every: float = 1.0

    def __post_init__(self) -> None:
        rules = (
            ("factor", 0 < self.factor <= 1, "greater than 0, up to 1"),
            ("every", self.every > 0, "greater than 0"),
        )
        require("Exponential", self, rules)

    def rate(self, peak: float, epoch: float, epochs: float) -> float:
        """peak · factor^⌊epoch / every⌋."""
        return float(peak * self.factor ** math.floor(epoch / self.every + 1e-9))


@dataclass(frozen=True)
class Steps(Schedule):
    """Times ``factor`` at each of some points, given as shares of the training."""

    at: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1

    def __post_init__(self) -> None:
        rules = (
            ("at", all(0 < share < 1 for share in self.at), "to shares between 0 and 1"),
            ("factor", 0 < self.factor <= 1, "greater than 0, up to 1"),
        )
        require("Steps", self, rules)

    def rate(self, peak: float, epoch: float, epochs: float) -> float:
        """peak · factor to the power of how many points are passed."""
        passed = sum(epoch >= share * epochs - 1e-9 for share in self.at)
        return float(peak * self.factor**passed)


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The learning rate of one step of a training.

    During warm-up, which takes at most half of all epochs, it is ``lr · (step + 1) / steps of the
    warm-up``; the schedule runs over the epochs that are left.

    Args:
        recipe: its ``lr``, ``epochs``, ``warmup_epochs`` and ``schedule``.
        step: from 0, over all epochs.
        steps_per_epoch: at least 1.

    >>> from nascout.train import Recipe
    >>> recipe = Recipe("example", "none", epochs=2, batch_size=8, lr=1.0)
    >>> [round(learning_rate(recipe, step, 2), 4) for step in range(4)]
    [1.0, 0.8536, 0.5, 0.1464]
    """
    warmup = int(min(recipe.warmup_epochs, recipe.epochs / 2) * steps_per_epoch)
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    left = recipe.epochs * steps_per_epoch - warmup
    return recipe.schedule.rate(
        recipe.lr, (step - warmup) / steps_per_epoch, left / steps_per_epoch
    )
