"""Mixing the images of a batch: mixup (arXiv:1710.09412) and CutMix (arXiv:1905.04899).

Both give every image a partner of the same batch, and one weight for the whole batch, as the
released codes do. Instead of mixing targets, the two losses are mixed: for cross-entropy that is
the same value, for squares the same gradient, and it needs no targets that can be added.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from nascout.train.augmentation import Augmentation

__all__ = ["Mix", "draw_mix", "mix_images", "mixed_loss"]


@dataclass(frozen=True, eq=False)
class Mix:
    """How one batch is mixed.

    Attributes:
        weight: of an image's own loss; the partner's has the rest.
        partner: int64, (n,): positions in the batch.
        box: (top, bottom, left, right) of what is the partner's; None to add up images instead.
    """

    weight: float
    partner: torch.Tensor
    box: tuple[int, int, int, int] | None

    def to(self, device: torch.device) -> Mix:
        """The same on another device."""
        return replace(self, partner=self.partner.to(device))


def draw_mix(
    n: int,
    size: tuple[int, int],
    how: Augmentation,
    generator: torch.Generator,
    rng: np.random.RandomState,
) -> Mix | None:
    """Draw how a batch of n images of (height, width) is mixed; None if it is not.

    CutMix draws the middle of its box uniformly, cuts off what lies outside, and takes as weight
    the share of pixels that are left (algorithm A1).
    """
    if not (how.mixup or how.cutmix):
        return None
    partner = torch.randperm(n, generator=generator)
    cut = bool(how.cutmix) and (not how.mixup or bool(rng.randint(2)))
    alpha = how.cutmix if cut else how.mixup
    weight = float(rng.beta(alpha, alpha))
    if not cut:
        return Mix(weight, partner, None)
    edges: list[int] = []
    for length in size:
        middle, half = rng.randint(length), round(length * math.sqrt(1 - weight)) / 2
        edges += [max(0, math.ceil(middle - half)), min(length, math.ceil(middle + half))]
    top, bottom, left, right = edges
    own = 1 - (bottom - top) * (right - left) / (size[0] * size[1])
    return Mix(own, partner, (top, bottom, left, right))


def mix_images(x: torch.Tensor, mix: Mix) -> torch.Tensor:
    """The mixed images: float, (n, channels, height, width).

    >>> x = torch.tensor([0.0, 8.0])[:, None, None, None]
    >>> mix_images(x, Mix(0.75, torch.tensor([1, 0]), None)).flatten()
    tensor([2., 6.])
    """
    other = x[mix.partner]
    if mix.box is None:
        return x * mix.weight + other * (1 - mix.weight)
    top, bottom, left, right = mix.box
    x = x.clone()
    x[:, :, top:bottom, left:right] = other[:, :, top:bottom, left:right]
    return x


def mixed_loss(
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    out: torch.Tensor,
    targets: tuple[torch.Tensor, ...],
    weight: float,
) -> torch.Tensor:
    """The loss against the own targets and, where there are any, the partners', weighted."""
    if len(targets) == 1:
        return loss(out, targets[0])
    return weight * loss(out, targets[0]) + (1 - weight) * loss(out, targets[1])
