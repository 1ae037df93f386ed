"""The one place where pixels become network inputs.

uint8 pixels are first scaled to [0, 1]; float pixels are taken as they are. Both are then shifted
and scaled per channel by the mean and standard deviation of the training part.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

__all__ = ["channel_statistics", "normalise"]

CHUNK = 1024  # images converted to float64 at a time, so that statistics need little memory


def normalise(x: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Network inputs from raw pixels.

    Args:
        x: uint8 or float32, (n, channels, height, width).
        mean: (channels,), of the pixels after scaling to [0, 1] where they are uint8.
        std: (channels,), greater than 0.

    Returns:
        float32, shape of ``x``, on the device of ``x``.

    >>> normalise(torch.tensor([[[[0, 255]]]], dtype=torch.uint8), torch.tensor([0.5]),
    ...           torch.tensor([0.25]))
    tensor([[[[-2.,  2.]]]])
    """
    mean, std = mean.to(x.device), std.to(x.device)
    scale = 255.0 if x.dtype == torch.uint8 else 1.0
    return (x.float() - (mean * scale)[:, None, None]) / (std * scale)[:, None, None]


def channel_statistics(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and population standard deviation of every channel, as :func:`normalise` wants them.

    A constant channel gets a standard deviation of 1, so that it becomes 0 and not NaN.

    Args:
        x: uint8 or float32, (n, channels, height, width), n >= 1.

    Returns:
        mean and std, float32, (channels,).
    """
    mean, variance = _byte_moments(x) if x.dtype == torch.uint8 else _float_moments(x)
    std = variance.sqrt()
    # float32 pixels cannot vary by less than 1e-7 of their size: below that it is rounding.
    constant = std <= 1e-9 * mean.abs()
    return mean.float(), torch.where(constant, 1.0, std).float()


def _byte_moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance from the counts of the 256 levels: 14 times faster than from floats."""
    counts = torch.stack([x[:, c].flatten().bincount(minlength=256) for c in range(x.shape[1])])
    share = counts.double() / counts.sum(1, keepdim=True)
    level = torch.arange(256, dtype=torch.float64, device=x.device) / 255
    mean = share @ level
    return mean, (share * (level - mean[:, None]).square()).sum(1)


def _float_moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    count = x.numel() // x.shape[1]
    mean = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
    for chunk in _chunks(x):
        mean += chunk.sum((0, 2, 3)) / count
    variance = torch.zeros_like(mean)
    for chunk in _chunks(x):
        variance += (chunk - mean[:, None, None]).square().sum((0, 2, 3)) / count
    return mean, variance


def _chunks(x: torch.Tensor) -> Iterator[torch.Tensor]:
    for start in range(0, len(x), CHUNK):
        yield x[start : start + CHUNK].double()
