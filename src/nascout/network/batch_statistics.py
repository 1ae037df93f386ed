"""Batch normalisation in train mode, precise and quick with channels last."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["EPSILON", "add_normalised", "batch_norm", "is_quick"]

EPSILON: Final = 1e-5
# About how many numbers of neighbouring positions are seen as one row. Columns are summed apart,
# which is precise, and long rows are quick.
ROW: Final = 1024


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
    if not is_quick(x):
        return F.batch_norm(x, None, None, None, None, True)
    if x.requires_grad and torch.is_grad_enabled():
        normal: Tensor = _Precise.apply(x)  # type: ignore[no-untyped-call]
        return normal
    return add_normalised([x], spare=spare)


def is_quick(x: Tensor) -> bool:
    """Whether ``x`` is normalised here: maps on the CPU, channels last, not in float64."""
    last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return x.device.type == "cpu" and last and x.dtype != torch.float64


def add_normalised(
    maps: Sequence[Tensor], others: Sequence[Tensor] = (), *, spare: bool = False
) -> Tensor:
    """The sum of ``batch_norm`` of each of ``maps`` and of ``others``, without a gradient.

    No normalised map is written by itself: scaling it is a part of adding it to the sum, and all
    shifts are added at once. So a map costs one pass over memory after that for its statistics.

    Args:
        maps: one or more (n, channels, h, w).
        others: of the same size.
        spare: whether the first of ``maps`` may be overwritten.
    """
    if not all(map(is_quick, maps)):
        return torch.stack([*map(batch_norm, maps), *others]).sum(0)
    first = maps[0]
    total = first if spare else torch.empty_like(first)
    moments = [_moments(x) for x in maps]
    scales = [(variance + EPSILON).rsqrt() for _, variance in moments]
    means = torch.stack([mean for mean, _ in moments])
    shift = -(means * torch.stack(scales)).sum(0)
    torch.addcmul(_row(shift, first), _rows(first), _row(scales[0], first), out=_rows(total))
    for x, scale in zip(maps[1:], scales[1:], strict=True):
        _rows(total).addcmul_(_rows(x), _row(scale, x))
    for x in others:
        total += x
    return total


class _Precise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        mean, variance = _moments(x)
        scale = (variance + EPSILON).rsqrt()
        ctx.save_for_backward(x, mean, scale)
        normal = torch.empty_like(x)
        torch.addcmul(_row(-mean * scale, x), _rows(x), _row(scale, x), out=_rows(normal))
        return normal

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        x, mean, scale = ctx.saved_tensors
        mean, scale = mean.to(x.dtype), scale.to(x.dtype)
        by_x: Tensor = torch.ops.aten.native_batch_norm_backward(
            slopes[0], x, None, None, None, mean, scale, True, EPSILON, [True, False, False]
        )[0]
        return by_x


def _rows(x: Tensor) -> Tensor:
    """(n, channels, h, w) with channels last, seen as (rows, some positions' channels)."""
    positions = x.numel() // x.shape[1]
    side_by_side = gcd(positions, 1 << max(8, ROW // x.shape[1]).bit_length() - 1)
    return x.permute(0, 2, 3, 1).reshape(positions // side_by_side, -1)


def _row(values: Tensor, like: Tensor) -> Tensor:
    """(channels,) again and again, as in a row of ``like``."""
    times = _rows(like).shape[1] // len(values)
    return values.to(like.dtype).expand(times, -1).reshape(-1)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (channels,) over samples and positions, in float32."""
    # Each column of the rows has moments of its own; these are then joined.
    means, variances = torch.batch_norm_update_stats(_rows(x), None, None, 0.0)
    means, variances = means.view(-1, x.shape[1]).float(), variances.view(-1, x.shape[1]).float()
    mean = means.mean(0)
    return mean, variances.mean(0) + (means - mean).square_().mean(0)
