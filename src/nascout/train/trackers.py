"""Experiment trackers as listeners: what an epoch's record holds, sent to a program for curves."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from nascout.errors import MissingExtra
from nascout.train.parallel import find_crew

__all__ = ["FinishedEpoch", "mlflow", "tensorboard", "wandb"]


class FinishedEpoch(Protocol):
    """The record of an epoch of any loop.

    That of :func:`nascout.train.fit`, :func:`nascout.train.language.fit_language` or
    :func:`nascout.oneshot.share`.
    """

    @property
    def epoch(self) -> int:
        """Counted from 1."""


Listener = Callable[[FinishedEpoch], None]


def tensorboard(folder: str | os.PathLike[str]) -> Listener:
    """A listener for ``on_epoch`` that writes TensorBoard's files.

    All three trackers send every number of the record under its field's name, such as
    ``train_loss``; what stands in a mapping or a list is named like ``numbers/entropy`` and
    ``weights/0->1/2``. The step is the epoch. Where several processes train, only the first one
    sends anything.

    Args:
        folder: for this training alone.

    Raises:
        MissingExtra: the package ``tensorboard`` is not installed.

    Example:
        >>> from nascout.train import fit
        >>> fit(net, split, recipe, on_epoch=tensorboard("curves"))    # doctest: +SKIP
    """
    module = _extra("torch.utils.tensorboard", "tensorboard", "TensorBoard")
    writer = cache(lambda: module.SummaryWriter(os.fspath(folder)))

    def write(numbers: dict[str, float], step: int) -> None:
        for name, value in numbers.items():
            writer().add_scalar(name, value, step)
        writer().flush()

    return _listener(write)


def wandb(**settings: Any) -> Listener:
    """A listener for ``on_epoch`` that logs to Weights & Biases, as :func:`tensorboard` does.

    Args:
        settings: of ``wandb.init``, such as ``project``; a run that was already started is used as
            it is. One run for one training: its steps may not go back.

    Raises:
        MissingExtra: the package ``wandb`` is not installed.

    Example:
        >>> from nascout.train import fit
        >>> fit(net, split, recipe, on_epoch=wandb(project="cells"))    # doctest: +SKIP
    """
    module = _extra("wandb", "wandb", "Weights & Biases")
    run = cache(lambda: module.run or module.init(**settings))
    return _listener(lambda numbers, step: run().log(numbers, step=step))


def mlflow() -> Listener:
    """A listener for ``on_epoch`` that logs to MLflow's active run, as :func:`tensorboard` does.

    MLflow begins a run where none is active. ``->`` in a name becomes ``to``, and signs that
    MLflow does not allow are left out.

    Raises:
        MissingExtra: the package ``mlflow`` is not installed.

    Example:
        >>> from nascout.train import fit
        >>> fit(net, split, recipe, on_epoch=mlflow())    # doctest: +SKIP
    """
    module = _extra("mlflow", "mlflow", "MLflow")

    def log(numbers: dict[str, float], step: int) -> None:
        allowed = {
            re.sub(r"[^\w./: -]", "", k.replace("->", " to ")): v for k, v in numbers.items()
        }
        module.log_metrics(allowed, step=step)

    return _listener(log)


def _extra(module: str, extra: str, feature: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtra(feature, extra) from None


def _listener(send: Callable[[dict[str, float], int], None]) -> Listener:
    def on_epoch(epoch: FinishedEpoch) -> None:
        if find_crew().rank == 0:
            content = {k: v for k, v in vars(epoch).items() if k not in ("epoch", "epochs")}
            send(_numbers("", content), epoch.epoch)

    return on_epoch


def _numbers(name: str, value: object) -> dict[str, float]:
    """``value`` if it is a number, or the numbers in it, by name; text and None are left out."""
    if isinstance(value, (int, float)):
        return {name: float(value)}
    parts: list[tuple[object, object]] = []
    if isinstance(value, Mapping):
        parts = list(value.items())
    elif isinstance(value, (list, tuple)):
        parts = list(enumerate(value))
    prefix = f"{name}/" if name else ""
    return {k: v for key, part in parts for k, v in _numbers(f"{prefix}{key}", part).items()}
