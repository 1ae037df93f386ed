"""RandAugment (arXiv:1909.13719) on whole batches.

Every image draws its operations, uniformly with repetition. Strengths at magnitude 1 are those of
the paper's 30: 0.3 for shears, 0.45 of a side for shifts, 30 degrees, 4 of 8 bits, 0.9 for
colour, contrast, brightness and sharpness.

Deviations: "equalize", the one operation that needs a histogram per channel, is left out; a shift
is a share of the image's own side. Pixels that come from outside are 0, and the nearest pixel is
taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from torch.nn import functional

__all__ = ["OPERATIONS", "Policy", "draw_policy", "randaugment"]

Operation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

GREY: Final = (0.299, 0.587, 0.114)
SMOOTH: Final = ((1.0, 1.0, 1.0), (1.0, 5.0, 1.0), (1.0, 1.0, 1.0))  # over 13, as PIL has it


@dataclass(frozen=True, eq=False)
class Policy:
    """What happens to each of n images, in k rounds.

    Attributes:
        operation: int64, (n, k): positions in :data:`OPERATIONS`; on the CPU.
        sign: 1.0 or -1.0, (n, k).
    """

    operation: torch.Tensor
    sign: torch.Tensor

    def take(self, index: slice) -> Policy:
        """The policy of some of the images."""
        return Policy(self.operation[index], self.sign[index])


def draw_policy(n: int, rounds: int, generator: torch.Generator) -> Policy:
    """Draw for n images, uniformly, ``rounds`` operations and their signs."""
    operation = torch.randint(len(OPERATIONS), (n, rounds), generator=generator)
    sign = torch.randint(2, (n, rounds), generator=generator) * 2.0 - 1
    return Policy(operation, sign)


def randaugment(x: torch.Tensor, policy: Policy, magnitude: float) -> torch.Tensor:
    """The changed images.

    Args:
        x: uint8, (n, channels, height, width).
        policy: of n images.
        magnitude: 0 to 1.

    Returns:
        uint8, shape of ``x``.

    >>> x = torch.full((1, 1, 2, 2), 100, dtype=torch.uint8)
    >>> brighter = Policy(torch.tensor([[list(OPERATIONS).index("brightness")]]), torch.ones(1, 1))
    >>> randaugment(x, brighter, 1.0).unique()
    tensor([190], dtype=torch.uint8)
    """
    pixels = x.float() / 255
    operations = list(OPERATIONS.values())
    for chosen, sign in zip(policy.operation.T, policy.sign.T, strict=True):
        strength = sign * magnitude
        for number in chosen.unique().tolist():
            index = (chosen == number).nonzero()[:, 0]
            where = index.to(x.device)
            changed = operations[number](pixels[where], strength[index].to(x.device))
            pixels[where] = changed.clamp(0, 1)
    return (pixels * 255 + 0.5).to(torch.uint8)


def _identity(x: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    return x


def _warp(kind: str, x: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """A shear, shift or rotation; strengths are of the paper's largest.

    Matrices lead from places in the result to places in ``x``, both from -1 to 1.
    """
    aspect = x.shape[2] / x.shape[3]
    one, zero = torch.ones_like(strength), torch.zeros_like(strength)
    angle = strength * math.radians(30)
    shear, shift = strength * 0.3, strength * 0.9  # sides are 2 long
    rows = {
        "shear_x": ((one, shear * aspect, zero), (zero, one, zero)),
        "shear_y": ((one, zero, zero), (shear / aspect, one, zero)),
        "translate_x": ((one, zero, shift), (zero, one, zero)),
        "translate_y": ((one, zero, zero), (zero, one, shift)),
        "rotate": (
            (angle.cos(), -angle.sin() * aspect, zero),
            (angle.sin() / aspect, angle.cos(), zero),
        ),
    }[kind]
    matrix = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = functional.affine_grid(matrix, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="nearest", align_corners=False)


def _blend(
    other: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, strength: torch.Tensor
) -> torch.Tensor:
    """Away from ``other`` (strength above 0) or towards it."""
    factor = 1 + 0.9 * strength[:, None, None, None]
    base = other(x)
    return base + factor * (x - base)


def _grey(x: torch.Tensor) -> torch.Tensor:
    """Luminance of three channels, else their mean: (n, 1, height, width)."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    return (x * x.new_tensor(GREY)[:, None, None]).sum(1, keepdim=True)


def _mean_grey(x: torch.Tensor) -> torch.Tensor:
    return _grey(x).mean((2, 3), keepdim=True)


def _smoothed(x: torch.Tensor) -> torch.Tensor:
    """Weighted means over 3 x 3 pixels; the border stays."""
    if min(x.shape[2:]) < 3:
        return x
    channels = x.shape[1]
    kernel = (x.new_tensor(SMOOTH) / 13).expand(channels, 1, 3, 3)
    out = x.clone()
    out[:, :, 1:-1, 1:-1] = functional.conv2d(x, kernel, groups=channels)
    return out


def _posterize(x: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """The highest 8 bits at strength 0, the highest 4 at 1."""
    step = 2.0 ** (4 * strength.abs()).round()[:, None, None, None]
    return ((x * 255).round() / step).floor() * step / 255


def _solarize(x: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Invert what is at least ``1 - |strength|``."""
    return torch.where(x >= 1 - strength.abs()[:, None, None, None], 1 - x, x)


def _autocontrast(x: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Stretch every channel from 0 to 1; a constant one stays."""
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low).clamp(min=1e-6), x)


#: By name, pixels from 0 to 1 (n, channels, height, width) and signed strengths (n,) to pixels.
OPERATIONS: Final[Mapping[str, Operation]] = {
    "identity": _identity,
    "shear_x": partial(_warp, "shear_x"),
    "shear_y": partial(_warp, "shear_y"),
    "translate_x": partial(_warp, "translate_x"),
    "translate_y": partial(_warp, "translate_y"),
    "rotate": partial(_warp, "rotate"),
    "brightness": partial(_blend, torch.zeros_like),
    "color": partial(_blend, _grey),
    "contrast": partial(_blend, _mean_grey),
    "sharpness": partial(_blend, _smoothed),
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": _autocontrast,
}
