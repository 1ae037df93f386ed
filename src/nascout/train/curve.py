"""What a training reports while it runs and when it is done."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Epoch", "Trained"]


@dataclass(frozen=True)
class Epoch:
    """One finished epoch.

    Attributes:
        epoch: counted from 1.
        epochs: of the whole training.
        train_loss: mean over the images of the epoch, with augmentation and label smoothing.
        val_accuracy: percent; None where it was not measured, see :func:`nascout.train.fit`.
        lr: learning rate of the last step.
        seconds: wall time; no part of equality, because it is a measurement and not content.
    """

    epoch: int
    epochs: int
    train_loss: float
    val_accuracy: float | None
    lr: float
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        val_accuracy: percent, after the last epoch.
        train_loss: of the last epoch.
        epochs: how many.
        seconds: wall time of all epochs, also of those before a resumption; no part of equality.
        curve: every epoch.
    """

    val_accuracy: float
    train_loss: float
    epochs: int
    seconds: float = field(compare=False)
    curve: tuple[Epoch, ...]
