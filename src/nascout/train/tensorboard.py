"""Writing a training's curve for TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module

from nascout.errors import MissingExtra
from nascout.train.curve import Epoch

__all__ = ["tensorboard"]


def tensorboard(folder: str | os.PathLike[str]) -> Callable[[Epoch], None]:
    """A listener for ``fit(..., on_epoch=tensorboard(folder))``.

    It writes ``train_loss``, ``val_metric``, ``lr`` and ``seconds`` after every epoch.

    Raises:
        MissingExtra: the package ``tensorboard`` is not installed.
    """
    try:
        module = import_module("torch.utils.tensorboard")
    except ImportError:
        raise MissingExtra("TensorBoard", "tensorboard") from None
    writer = module.SummaryWriter(os.fspath(folder))

    def on_epoch(epoch: Epoch) -> None:
        for name in ("train_loss", "val_metric", "lr", "seconds"):
            value = getattr(epoch, name)
            if value is not None:
                writer.add_scalar(name, value, epoch.epoch)
        writer.flush()

    return on_epoch
