"""What a training reports while it runs and when it is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["Epoch", "Step", "Trained"]


@dataclass(frozen=True, eq=False)
class Step:
    """One finished step.

    Attributes:
        step: counted from 1, over all epochs.
        steps: of the whole training.
        lr: its learning rate.
        loss: of its batch, no dimensions, on the device: ``float(loss)`` waits for a GPU.
        seconds_left: at the speed so far.
    """

    step: int
    steps: int
    lr: float
    loss: torch.Tensor
    seconds_left: float


@dataclass(frozen=True)
class Epoch:
    """One finished epoch.

    Attributes:
        epoch: counted from 1.
        epochs: of the whole training.
        train_loss: mean over the images of the epoch, with augmentation, label smoothing and
            auxiliary losses.
        val_metric: of the validation part, see :class:`nascout.train.Task`; percent of right
            answers for classes. None where it was not measured, see :func:`nascout.train.fit`.
        lr: learning rate of the last step.
        seconds: wall time; no part of equality, because it is a measurement and not content.
    """

    epoch: int
    epochs: int
    train_loss: float
    val_metric: float | None
    lr: float
    seconds: float = field(compare=False)

    @property
    def seconds_left(self) -> float:
        """At the speed of this epoch."""
        return self.seconds * (self.epochs - self.epoch)


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        metric: what ``val_metric`` is, with its unit.
        val_metric: of the validation part, after the last epoch.
        train_loss: of the last epoch.
        epochs: how many.
        seconds: wall time of all epochs, also of those before a resumption; no part of equality.
        curve: every epoch.
    """

    metric: str
    val_metric: float
    train_loss: float
    epochs: int
    seconds: float = field(compare=False)
    curve: tuple[Epoch, ...]
