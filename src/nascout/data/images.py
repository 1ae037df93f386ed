"""Images of any layout and number type as (n, channels, height, width), uint8 or float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nascout.errors import ConfigError, DataError

__all__ = ["from_numpy", "plain_type", "resize"]

CHANNELS = (1, 3, 4)


def from_numpy(x: npt.NDArray[Any], where: str) -> torch.Tensor:
    """A batch of images from an array.

    Three axes are (n, height, width). With four axes the channel axis is the one of length 1, 3
    or 4: the last (n, height, width, channels) or the second (n, channels, height, width). Where
    both could be, or neither, nothing is guessed.

    Args:
        x: uint8 is kept; any other real number becomes float32 with its value as it is.
        where: what the array is called in messages.

    Raises:
        DataError: another number of axes, no clear channel axis, or not numbers.

    >>> tuple(from_numpy(np.zeros((5, 16, 16, 3), np.uint8), "x").shape)
    (5, 3, 16, 16)
    """
    if x.dtype.kind not in "biuf":
        raise DataError(f"{where} holds {x.dtype}, not numbers", "Give uint8 or float pixels.")
    if x.ndim not in (3, 4):
        raise DataError(
            f"{where} has shape {x.shape}",
            "Give (n, height, width[, channels]) or (n, channels, height, width).",
        )
    if x.ndim == 3:
        x = x[:, None]
    elif _channels_last(x.shape, where):
        x = x.transpose(0, 3, 1, 2)
    if x.dtype != np.uint8:
        with np.errstate(over="ignore"):  # what overflows becomes inf, which Arrays refuses
            x = x.astype(np.float32)
    return torch.from_numpy(np.array(x, order="C"))


def _channels_last(shape: tuple[int, ...], where: str) -> bool:
    second, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    if second == last:
        either = "either axis could be" if second else "neither axis is"
        raise DataError(
            f"{where} has shape {shape}: {either} the channels (1, 3 or 4 long)",
            "Give (n, height, width) if grey, or a torch tensor of (n, channels, height, width).",
        )
    return last


def plain_type(x: torch.Tensor) -> torch.Tensor:
    """uint8 stays; every other type becomes float32, values as they are."""
    return x if x.dtype == torch.uint8 else x.float()


def resize(x: torch.Tensor, size: int) -> torch.Tensor:
    """Every image as a square of ``size`` pixels: bilinear, antialiased, not keeping the aspect.

    Args:
        x: uint8 or float32, (n, channels, height, width).
        size: pixels, at least 1.

    Returns:
        (n, channels, size, size), type of ``x``.

    Raises:
        ConfigError: a size below 1.
    """
    if size < 1:
        raise ConfigError(f"an image size of {size}", "Give at least 1 pixel.")
    if x.shape[-2:] == (size, size):
        return x
    return torch.nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True)
