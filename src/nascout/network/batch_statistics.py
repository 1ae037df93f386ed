"""Batch normalisation in train mode, precise with channels last."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["EPSILON", "batch_norm"]

EPSILON: Final = 1e-5
# Into how many parts the sums over samples and positions are split, at most.
PARTS: Final = 64


def batch_norm(x: Tensor, spare: bool = False) -> Tensor:
    """x to mean zero and variance one per channel, over samples and positions.

    With channels last, PyTorch adds up all samples and positions one by one, and loses up to four
    of float32's seven digits in a batch of 64 maps of 32 x 32. Here parts of them are added up
    side by side, as quickly.

    Args:
        x: (n, channels, h, w) or (n, channels).
        spare: whether ``x`` may be overwritten; only where nothing is kept for a backward pass.

    >>> batch_norm(torch.tensor([[1.0], [3.0]])).round().tolist()
    [[-1.0], [1.0]]
    """
    last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    if x.device.type == "cpu" and last and x.dtype != torch.float64:
        if spare:
            mean, variance = _statistics(_rows(x))
            none = x.new_empty(0)
            torch.native_batch_norm(
                *(x, None, None, mean, variance, False, 0.0, EPSILON), out=(x, none, none)
            )
            return x
        normal: Tensor = _Precise.apply(x)  # type: ignore[no-untyped-call]
        return normal
    return F.batch_norm(x, None, None, None, None, True)


class _Precise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        mean, variance = _statistics(_rows(x))
        ctx.save_for_backward(x, mean, (variance + EPSILON).rsqrt())
        return F.batch_norm(x, mean, variance, None, None, False, 0.0, EPSILON)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        x, mean, scale = ctx.saved_tensors
        by_x: Tensor = torch.ops.aten.native_batch_norm_backward(
            slopes[0], x, None, None, None, mean, scale, True, EPSILON, [True, False, False]
        )[0]
        return by_x


def _rows(x: Tensor) -> Tensor:
    """(n, channels, h, w) with channels last, as (n * h * w, channels)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _statistics(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (channels,) of (m, channels)."""
    m, channels = rows.shape
    parts = PARTS
    while m % parts:
        parts //= 2
    # Rows of many channels are so many columns, each with statistics of its own.
    wide = rows.reshape(m // parts, parts * channels)
    means, variances = torch.batch_norm_update_stats(wide, None, None, 0.0)
    means, variances = means.view(parts, channels), variances.view(parts, channels)
    mean = means.mean(0)
    return mean, variances.mean(0) + (means - mean).square().mean(0)
