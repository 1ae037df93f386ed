"""A method of weight sharing: a frozen record of knobs that makes a learner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import torch
from typing_extensions import dataclass_transform

from nascout.errors import ConfigError
from nascout.oneshot.learner import Learner
from nascout.registry import Registry
from nascout.space import Space
from nascout.train import Recipe
from nascout.train.augmentation import Augmentation
from nascout.train.optimizer import Sgd
from nascout.train.schedule import Cosine

__all__ = ["METHODS", "Method", "method"]


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """Base of the methods: how the shared weights are trained.

    Args:
        epochs: passes over the weights' part of the training images.
        batch_size: images per step.
        lr, lr_final: the learning rate of the weights falls from one to the other along a cosine.
        momentum, weight_decay, gradient_clip: of the weights' SGD.
        val_fraction: share of the training images that the architecture is learned from; the
            weights are learned from the others.

    Raises:
        ConfigError: a value out of its range.
    """

    name: ClassVar[str]
    paper: ClassVar[str] = ""
    epochs: int = 50
    batch_size: int = 64
    lr: float = 0.025
    lr_final: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    gradient_clip: float = 5.0
    val_fraction: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.val_fraction < 1:
            raise ConfigError(
                f"{self.name}: val_fraction = {self.val_fraction}", "Give a share between 0 and 1."
            )
        self.recipe()

    def recipe(self) -> Recipe:
        """How the weights are trained; every epoch has one learning rate."""
        return Recipe(
            name=self.name,
            source=self.paper,
            epochs=self.epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            optimizer=Sgd(
                momentum=self.momentum,
                nesterov=False,
                weight_decay=self.weight_decay,
                decay_norm_and_bias=True,
            ),
            schedule=Cosine(self.lr_final, per_epoch=True),
            augmentation=Augmentation(),
            gradient_clip=self.gradient_clip,
        )

    @abstractmethod
    def learner(self, space: Space, seed: int, device: torch.device) -> Learner:
        """The method before its first step.

        Raises:
            ConfigError: a space that it cannot search.
        """


METHODS: Registry[type[Method]] = Registry(
    "method",
    modules=(
        "nascout.oneshot.darts",
        "nascout.oneshot.enas",
        "nascout.oneshot.gdas",
        "nascout.oneshot.proxyless",
        "nascout.oneshot.rsps",
    ),
)

T = TypeVar("T", bound=Method)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def method(name: str, *, paper: str) -> Callable[[type[T]], type[T]]:
    """Register a method: ``@method("name", paper="arXiv:...")`` above its class."""

    def register(cls: type[T]) -> type[T]:
        record = dataclass(frozen=True, kw_only=True)(cls)
        record.name, record.paper = name, paper
        METHODS.add(name, record)
        return record

    return register
