"""Methods of weight sharing between recurrent cells: frozen records of knobs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

import torch

from nascout.errors import ConfigError
from nascout.network.language_model import Dropouts
from nascout.oneshot.darts import Darts, Mixture
from nascout.oneshot.enas import ControlledPaths, Enas
from nascout.oneshot.learner import Learner
from nascout.oneshot.reading import Reading
from nascout.oneshot.rsps import UniformPaths
from nascout.registry import Registry
from nascout.space.darts_rnn import DartsRnn
from nascout.space.darts_rnn_relaxation import DartsRnnRelaxation
from nascout.space.recurrent import RecurrentSpace
from nascout.train.language_recipe import LanguageRecipe
from nascout.train.ranges import require

__all__ = ["LANGUAGE_METHODS", "LanguageDarts", "LanguageEnas", "LanguageMethod", "LanguageRsps"]

DARTS_SEARCH: Final = LanguageRecipe(
    name="darts_rnn_search",
    source="DARTS, arXiv:1806.09055, search on Penn Treebank, 300 wide",
    epochs=50,
    batch_size=256,
    lr=20.0,
    varied=False,
    weight_decay=5e-7,
    # Dropping a unit with .2 behind the embedding and with .75 before the cell is once with .8.
    dropouts=Dropouts(inputs=0.8, hidden=0.25, outputs=0.75),
    slowness=1e-3,
    patience=None,
)
ENAS_SEARCH: Final = LanguageRecipe(
    name="enas_rnn_search",
    source="ENAS, arXiv:1802.03268, search on Penn Treebank, 720 wide",
    epochs=100,
    batch_size=20,
    lr=0.25,
    varied=False,
    weight_decay=2e-7,
    gradient_clip=10.0,
    dropouts=Dropouts(words=0.25, inputs=0.75, hidden=0.25, outputs=0.75),
    patience=None,
)


@dataclass(frozen=True, kw_only=True)
class LanguageMethod(ABC):
    """Base of the methods: how the shared weights are trained.

    Args:
        recipe: of the weights; ``patience`` is None, for nothing is averaged.
        lr_factor, lr_from: after each epoch from number ``lr_from`` on, counted from zero, the
            learning rate is multiplied by ``lr_factor``.

    Raises:
        ConfigError: a value out of its range.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    recipe: LanguageRecipe
    lr_factor: float = 1.0
    lr_from: int = 0

    def __post_init__(self) -> None:
        rules = [
            ("lr_factor", 0 < self.lr_factor <= 1, "above 0, at most to 1"),
            ("lr_from", self.lr_from >= 0, "to 0 or more"),
        ]
        require(self.name, self, rules)
        if self.recipe.patience is not None:
            raise ConfigError(
                f"{self.name}: patience = {self.recipe.patience}, and shared weights are not "
                "averaged",
                "Give the recipe patience=None.",
            )

    def lr(self, epoch: int) -> float:
        """Of an epoch, counted from zero."""
        return self.recipe.lr * self.lr_factor ** max(0, epoch + 1 - self.lr_from)

    def reading(
        self, space: RecurrentSpace, words: int, seed: int, device: torch.device
    ) -> Reading:
        """The language model around the shared weights."""
        return Reading(space, words, self.recipe, seed, device)

    @abstractmethod
    def learner(
        self, space: RecurrentSpace, reading: Reading, seed: int, device: torch.device
    ) -> Learner:
        """The method before its first step.

        Raises:
            ConfigError: a space that it cannot search.
        """


@dataclass(frozen=True, kw_only=True)
class LanguageDarts(LanguageMethod):
    """DARTS's search for a recurrent cell, on ``darts_rnn``.

    As :class:`nascout.oneshot.darts.Darts`: before every step of the weights the alphas take a
    step of Adam on the validation loss, here of a passage of the validation text, with dropout.
    The second order goes through the weights' step with its clipping; see
    :func:`nascout.oneshot.bilevel.second_order`.

    Deviations from the released code: see there, and at
    :class:`nascout.space.darts_rnn_relaxation.DartsRnnRelaxation` and
    :func:`nascout.network.language_model.language_model`. All parts of the text are ``steps``
    long; there one in twenty is half of it. What is dropped is the same in all losses of one
    step's passage, where there it is drawn anew, even between the two sides of a difference.

    Args:
        order: 1 or 2.
        alpha_lr, alpha_decay: of the Adam that moves the alphas.
    """

    name = "darts"
    paper = "arXiv:1806.09055"
    recipe: LanguageRecipe = DARTS_SEARCH
    order: int = 1
    alpha_lr: float = 3e-3
    alpha_decay: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        self._darts()

    def _darts(self) -> Darts:
        return Darts(
            order=self.order,
            alpha_lr=self.alpha_lr,
            alpha_decay=self.alpha_decay,
            momentum=0.0,
            weight_decay=self.recipe.weight_decay,
        )

    def reading(
        self, space: RecurrentSpace, words: int, seed: int, device: torch.device
    ) -> Reading:
        """With the relaxed cell.

        Raises:
            ConfigError: another space.
        """
        relaxation = _relaxed(space)
        return Reading(space, words, self.recipe, seed, device, relaxation=relaxation)

    def learner(
        self, space: RecurrentSpace, reading: Reading, seed: int, device: torch.device
    ) -> Mixture:
        """All weights there are, and alphas near zero."""
        return Mixture(
            self._darts(),
            _relaxed(space),
            seed,
            device,
            betas=(0.9, 0.999),
            clip=self.recipe.gradient_clip,
            problem=reading,
        )


def _relaxed(space: RecurrentSpace) -> DartsRnnRelaxation:
    if not isinstance(space, DartsRnn):
        raise ConfigError(
            f"{space.name} has no cell with several activations on one edge",
            "Search darts_rnn, or share weights between sampled cells (rsps, enas).",
        )
    return space.relaxation()


@dataclass(frozen=True, kw_only=True)
class LanguageRsps(LanguageMethod):
    """Li and Talwalkar's baseline: every step trains a uniformly drawn cell.

    Weights are trained as DARTS trains them. At the end ``samples`` random cells read the
    validation text, and the one with the lowest perplexity is found.

    Args:
        samples: cells measured at the end.
    """

    name = "rsps"
    paper = "arXiv:1902.07638"
    recipe: LanguageRecipe = DARTS_SEARCH
    samples: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.name, self, [("samples", self.samples >= 1, "to at least 1")])

    def learner(
        self, space: RecurrentSpace, reading: Reading, seed: int, device: torch.device
    ) -> UniformPaths:
        """No cells yet; they appear as they are drawn."""
        return UniformPaths(space, seed, device, self.samples, reading)


@dataclass(frozen=True, kw_only=True)
class LanguageEnas(LanguageMethod):
    """ENAS's search for a recurrent cell (arXiv:1802.03268, section 2.1).

    As :class:`nascout.oneshot.enas.Enas`, with the reward ``scale`` / perplexity of a passage of
    the validation text, without dropout. Each node has a pair of matrices for every earlier node
    that it may read. At the end ``samples`` cells are drawn, and the one with the lowest
    perplexity on the whole validation text is found. The defaults are those of the released
    search on Penn Treebank, for ``enas_rnn(width=720)``.

    Deviations: those of :class:`nascout.oneshot.enas.Enas`; that code's authors say that its
    language model is wrong, so this one is DARTS's.

    Args:
        scale: c above.
        controller_steps, aggregate, controller_lr, units, temperature, tanh_constant, baseline,
            entropy, samples: as there.
    """

    name = "enas"
    paper = "arXiv:1802.03268"
    recipe: LanguageRecipe = ENAS_SEARCH
    lr_factor: float = 0.95
    lr_from: int = 12
    scale: float = 80.0
    controller_steps: int = 100
    aggregate: int = 10
    controller_lr: float = 1e-3
    units: int = 64
    temperature: float = 5.0
    tanh_constant: float = 2.5
    baseline: float = 0.99
    entropy: float = 1e-3
    samples: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.name, self, [("scale", self.scale > 0, "above 0")])
        self._enas()

    def _enas(self) -> Enas:
        return Enas(
            controller_steps=self.controller_steps,
            aggregate=self.aggregate,
            controller_lr=self.controller_lr,
            units=self.units,
            temperature=self.temperature,
            tanh_constant=self.tanh_constant,
            baseline=self.baseline,
            entropy=self.entropy,
            samples=self.samples,
        )

    def reading(
        self, space: RecurrentSpace, words: int, seed: int, device: torch.device
    ) -> Reading:
        """With this scale of the reward."""
        return Reading(space, words, self.recipe, seed, device, scale=self.scale)

    def learner(
        self, space: RecurrentSpace, reading: Reading, seed: int, device: torch.device
    ) -> ControlledPaths:
        """A controller that is nearly uniform, and no cells yet."""
        return ControlledPaths(self._enas(), space, seed, device, reading)


LANGUAGE_METHODS: Registry[type[LanguageMethod]] = Registry("language method")
for _one in (LanguageDarts, LanguageEnas, LanguageRsps):
    LANGUAGE_METHODS.add(_one.name, _one)
