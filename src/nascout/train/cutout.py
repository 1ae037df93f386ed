"""Cutout: a square of every image becomes 0 (DeVries and Taylor, arXiv:1708.04552)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["Holes", "cut_out", "draw_holes"]


@dataclass(frozen=True, eq=False)
class Holes:
    """The middle of the hole of each of n images: int64 rows and columns, (n,)."""

    row: torch.Tensor
    column: torch.Tensor

    def take(self, index: slice) -> Holes:
        """The holes of some of the images."""
        return Holes(self.row[index], self.column[index])

    def to(self, device: torch.device) -> Holes:
        """The same on another device."""
        return Holes(self.row.to(device), self.column.to(device))


def draw_holes(n: int, size: tuple[int, int], generator: torch.Generator) -> Holes:
    """Middles for n images of (height, width), uniform over all pixels."""
    row = torch.randint(size[0], (n,), generator=generator)
    return Holes(row, torch.randint(size[1], (n,), generator=generator))


def cut_out(x: torch.Tensor, holes: Holes, sides: tuple[int, int]) -> torch.Tensor:
    """``x`` with holes of 0; what of a hole lies outside the image is cut off.

    A hole of s pixels around row r covers the rows from ``r - s // 2`` on. Of normalised images,
    0 is the mean.

    Args:
        x: (n, channels, height, width).
        holes: of n images, on the device of ``x``.
        sides: (height, width) of the holes.

    >>> one = Holes(torch.tensor([0]), torch.tensor([1]))
    >>> cut_out(torch.ones(1, 1, 2, 3), one, (2, 2))
    tensor([[[[0., 0., 1.],
              [1., 1., 1.]]]])
    """
    inside = []
    for middle, side, length in zip((holes.row, holes.column), sides, x.shape[2:], strict=True):
        offset = torch.arange(length, device=x.device) - middle[:, None] + side // 2
        inside.append((offset >= 0) & (offset < side))
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return x.masked_fill(hole, 0)
