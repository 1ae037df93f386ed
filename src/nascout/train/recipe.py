"""How a network is trained: a frozen record, and the recipes that have a name."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nascout.errors import ConfigError
from nascout.registry import Registry

__all__ = ["Recipe", "recipes"]


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with a warm-up and a cosine, random crops and mirroring.

    Attributes:
        name: of the recipe.
        source: where it is from.
        epochs: passes over the training part.
        batch_size: images per step; a last batch of one image is dropped.
        lr: highest learning rate.
        momentum: 0 to below 1.
        nesterov: look-ahead momentum.
        weight_decay: added to the gradient as ``weight_decay * weight``.
        decay_norm_and_bias: decay vectors, too (normalisation weights and biases).
        label_smoothing: 0 to below 1.
        crop_fraction: random crops after padding by this fraction of each side, rounded.
        flip: mirror half of the images; None leaves that to the data.
        warmup_epochs: of linear warm-up; never more than half of all epochs.
        gradient_clip: largest norm of the whole gradient; None for no limit.
        lr_final: learning rate that the cosine runs towards.

    Raises:
        ConfigError: a value out of its range.

    >>> recipes["nasbench201"].padding(32, 32)
    (4, 4)
    """

    name: str
    source: str
    epochs: int
    batch_size: int
    lr: float
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    decay_norm_and_bias: bool = False
    label_smoothing: float = 0.0
    crop_fraction: float = 0.125
    flip: bool | None = None
    warmup_epochs: float = 0.0
    gradient_clip: float | None = None
    lr_final: float = 0.0

    def __post_init__(self) -> None:
        clip = self.gradient_clip
        rules = (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 2, "at least 2"),
            ("lr", 0 < self.lr < math.inf, "greater than 0"),
            ("momentum", 0 <= self.momentum < 1, "from 0 to below 1"),
            ("nesterov", self.momentum > 0 or not self.nesterov, "False where momentum is 0"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "from 0 to below 1"),
            ("crop_fraction", 0 <= self.crop_fraction <= 1, "from 0 to 1"),
            ("warmup_epochs", 0 <= self.warmup_epochs < math.inf, "0 or more"),
            ("gradient_clip", clip is None or clip > 0, "greater than 0, or None"),
            ("lr_final", 0 <= self.lr_final <= self.lr, "from 0 to lr"),
        )
        for field, holds, range_ in rules:
            if not holds:
                raise ConfigError(
                    f"recipe {self.name!r} has {field} = {getattr(self, field)!r}",
                    f"Set {field} {range_}.",
                )

    def padding(self, height: int, width: int) -> tuple[int, int]:
        """Pixels to pad at (top and bottom, left and right) before cropping; halves round up."""
        return int(height * self.crop_fraction + 0.5), int(width * self.crop_fraction + 0.5)


recipes: Registry[Recipe] = Registry("recipe")
recipes.add(
    "shortlist",
    Recipe(
        name="shortlist",
        source="nascout: a short training that ranks candidates, for successive halving",
        epochs=8,
        batch_size=64,
        lr=0.1,
        warmup_epochs=1,
        gradient_clip=5.0,
    ),
)
recipes.add(
    "final",
    Recipe(
        name="final",
        source="nascout: the training of the network that was chosen",
        epochs=60,
        batch_size=64,
        lr=0.1,
        label_smoothing=0.1,
        warmup_epochs=3,
        gradient_clip=5.0,
    ),
)
# Deviation: pixels are normalised by the training part itself, not by the constants of CIFAR.
recipes.add(
    "nasbench201",
    Recipe(
        name="nasbench201",
        source="NAS-Bench-201, arXiv:2001.00326, hyper-parameter set H",
        epochs=200,
        batch_size=256,
        lr=0.1,
        decay_norm_and_bias=True,
        flip=True,
    ),
)
