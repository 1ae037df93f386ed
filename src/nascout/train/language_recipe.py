"""How a language model is trained: one frozen record, and those of the papers by name."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from nascout.network.language_model import Dropouts
from nascout.registry import Registry
from nascout.train.ranges import require

__all__ = ["LanguageRecipe", "language_recipes"]


@dataclass(frozen=True)
class LanguageRecipe:
    """Everything that decides the training of a language model but the network and the text.

    SGD over parts of the text, each from where the one before ended (truncated back-propagation
    through time). When the validation loss has not improved for ``patience`` epochs, weights are
    averaged from there on (ASGD with a non-monotonic trigger, arXiv:1708.02182), and the average
    is what is measured and kept.

    Attributes:
        name, source: of the recipe.
        epochs: passes over the text.
        batch_size: rows that the text is cut into.
        lr: of SGD; of a part of another length than ``steps`` it is scaled in proportion.
        steps: of time in a part. One part in twenty is half as long, and all vary by a normal
            draw of standard deviation 5; 5 steps are the least.
        varied: whether they vary.
        weight_decay, gradient_clip: of SGD.
        dropouts: where the network drops; see :class:`nascout.network.language_model.Dropouts`.
        activity, slowness: weights of the mean square of the outputs behind dropout, and of their
            change from step to step before it (arXiv:1708.01009).
        patience: epochs; None never to average.

    Raises:
        ConfigError: a value out of its range.
    """

    name: str
    source: str
    epochs: int
    batch_size: int
    lr: float
    steps: int = 35
    varied: bool = True
    weight_decay: float = 0.0
    gradient_clip: float | None = 0.25
    dropouts: Dropouts = field(default_factory=Dropouts)
    activity: float = 0.0
    slowness: float = 0.0
    patience: int | None = 5

    def __post_init__(self) -> None:
        clip = self.gradient_clip
        rules = (
            ("epochs", self.epochs >= 1, "to at least 1"),
            ("batch_size", self.batch_size >= 1, "to at least 1"),
            ("lr", 0 < self.lr < math.inf, "greater than 0"),
            ("steps", self.steps >= 1, "to at least 1"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "to 0 or more"),
            ("gradient_clip", clip is None or clip > 0, "greater than 0, or None"),
            ("activity", 0 <= self.activity < math.inf, "to 0 or more"),
            ("slowness", 0 <= self.slowness < math.inf, "to 0 or more"),
            ("patience", self.patience is None or self.patience >= 1, "to at least 1, or None"),
        )
        require(f"recipe {self.name!r}", self, rules)


language_recipes: Registry[LanguageRecipe] = Registry("language recipe")
language_recipes.add(
    "darts_ptb",
    LanguageRecipe(
        name="darts_ptb",
        source="DARTS, arXiv:1806.09055, Penn Treebank, 850 wide; epochs as in the released script",
        epochs=3600,
        batch_size=64,
        lr=20.0,
        weight_decay=8e-7,
        dropouts=Dropouts(words=0.1, inputs=0.75, hidden=0.25, outputs=0.75),
        slowness=1e-3,
    ),
)
language_recipes.add(
    "darts_wikitext2",
    LanguageRecipe(
        name="darts_wikitext2",
        source="DARTS, arXiv:1806.09055, WikiText-2, 700 wide; epochs as for Penn Treebank",
        epochs=3600,
        batch_size=64,
        lr=20.0,
        weight_decay=5e-7,
        dropouts=Dropouts(words=0.1, inputs=0.75, hidden=0.15, outputs=0.75),
        slowness=1e-3,
    ),
)
language_recipes.add(
    "short",
    LanguageRecipe(
        name="short",
        source="nascout: a short training that ranks cells",
        epochs=5,
        batch_size=20,
        lr=5.0,
        varied=False,
        dropouts=Dropouts(inputs=0.2, outputs=0.2),
        patience=None,
    ),
)
