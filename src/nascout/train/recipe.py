"""How a network is trained: one frozen record."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from nascout.train.augmentation import Augmentation
from nascout.train.drop_path import DropPath
from nascout.train.optimizer import Optimizer, Sgd
from nascout.train.ranges import require
from nascout.train.schedule import Cosine, Schedule

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training but the network, the data and the seed.

    Attributes:
        name: of the recipe.
        source: where it is from, and in what it differs.
        epochs: passes over the training part.
        batch_size: images per step; a last batch of one image is dropped.
        lr: highest learning rate.
        optimizer: with its momentum and weight decay.
        schedule: of the learning rate after warm-up.
        warmup_epochs: of linear warm-up; never more than half of all epochs.
        augmentation: what happens to the images.
        label_smoothing: 0 to below 1.
        gradient_clip: largest norm of the whole gradient; None for no limit.
        auxiliary_weight: of the loss of every further output, where the network has any.
        drop_path: how paths are dropped; None for not at all.
        dropout: share of the features zeroed before the classifier.
        ema_decay: weight of the past in the moving average of the weights, which is then what is
            measured and kept; None for no average.

    Raises:
        ConfigError: a value out of its range.

    >>> from dataclasses import replace
    >>> from nascout.train import recipes
    >>> gentle = replace(recipes["darts_cifar10"], lr=0.01, drop_path=None)
    >>> gentle.schedule
    Cosine(final=0.0, per_epoch=True)
    """

    name: str
    source: str
    epochs: int
    batch_size: int
    lr: float
    optimizer: Optimizer = field(default_factory=Sgd)
    schedule: Schedule = field(default_factory=Cosine)
    warmup_epochs: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    label_smoothing: float = 0.0
    gradient_clip: float | None = None
    auxiliary_weight: float = 0.0
    drop_path: DropPath | None = None
    dropout: float = 0.0
    ema_decay: float | None = None

    def __post_init__(self) -> None:
        clip, ema = self.gradient_clip, self.ema_decay
        final = getattr(self.schedule, "final", 0.0)
        rules = (
            ("epochs", self.epochs >= 1, "to at least 1"),
            ("batch_size", self.batch_size >= 2, "to at least 2"),
            ("lr", 0 < self.lr < math.inf, "greater than 0"),
            ("schedule", 0 <= final <= self.lr, "to one whose final is from 0 to lr"),
            ("warmup_epochs", 0 <= self.warmup_epochs < math.inf, "to 0 or more"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "from 0 to below 1"),
            ("gradient_clip", clip is None or clip > 0, "greater than 0, or None"),
            ("auxiliary_weight", 0 <= self.auxiliary_weight < math.inf, "to 0 or more"),
            ("dropout", 0 <= self.dropout < 1, "from 0 to below 1"),
            ("ema_decay", ema is None or 0 <= ema < 1, "from 0 to below 1, or to None"),
        )
        require(f"recipe {self.name!r}", self, rules)

    def as_dict(self) -> dict[str, Any]:
        """The content as JSON-able data, with the kinds of its parts."""
        return _plain(self)


def _plain(record: Any) -> dict[str, Any]:
    content = {f.name: getattr(record, f.name) for f in fields(record)}
    return {"kind": type(record).__name__} | {
        name: _plain(value) if hasattr(value, "__dataclass_fields__") else value
        for name, value in content.items()
    }
