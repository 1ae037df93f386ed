"""From images and raw labels to a data set: the last step that every loader shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
import torch

from nascout.data.arrays import Arrays, Data
from nascout.data.labels import class_values, encode
from nascout.data.stratify import hold_out
from nascout.errors import ConfigError, DataError

__all__ = ["assemble"]

Part = tuple[torch.Tensor, npt.NDArray[Any]]


def assemble(
    name: str,
    train: Part,
    test: Part | None,
    *,
    names: Sequence[str] | None = None,
    flip: bool,
    test_fraction: float,
) -> Data:
    """Number the classes; where there is no test part, hold one out of the training part.

    The held-out part is stratified by class and always the same for the same labels: it has no
    seed, so that no search can look at the test part of another.

    Args:
        name: of the data set.
        train: images (n, channels, height, width) and raw labels (n,).
        test: the same, or None.
        names: of the classes, where labels are their positions.
        flip: whether a mirrored image keeps its class.
        test_fraction: of the training images, where ``test`` is None; 0 for no test part.

    Raises:
        ConfigError: a fraction outside [0, 1).
        DataError: images or labels that cannot be used.
    """
    if not 0 <= test_fraction < 1:
        raise ConfigError(f"a test fraction of {test_fraction}", "Choose one from 0 to below 1.")
    images, labels = train
    if len(images) != len(labels):
        raise DataError(
            f"{name!r} has {len(images)} training images and {len(labels)} labels",
            "Give one label per image.",
        )
    values, classes = class_values(labels, names, f"{name!r}, training labels")
    arrays = Arrays(images, encode(labels, values, f"{name!r}, training labels"))
    if test is not None:
        held = Arrays(test[0], encode(test[1], values, f"{name!r}, test labels"))
        return Data(name, arrays, held, classes, flip)
    if test_fraction == 0:
        return Data(name, arrays, None, classes, flip)
    kept_index, held_index = hold_out(arrays.y, test_fraction, "test")
    return Data(
        name,
        arrays.take(kept_index),
        arrays.take(held_index) if len(held_index) else None,
        classes,
        flip,
    )
