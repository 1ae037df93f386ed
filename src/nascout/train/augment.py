"""Random crops and mirroring of a whole batch at once.

Pixels are padded before they are normalised, with 0: black for uint8, as the official recipes of
CIFAR pad. Drawing and applying are apart: the draws of an epoch are made in one go.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

__all__ = ["Moves", "augment", "draw_moves"]


@dataclass(frozen=True, eq=False)
class Moves:
    """What happens to each of n images.

    Attributes:
        top, left: int64, (n,): where the crop begins in the padded image.
        mirrored: bool, (n,).
    """

    top: torch.Tensor
    left: torch.Tensor
    mirrored: torch.Tensor

    def take(self, index: slice) -> Moves:
        """The moves of some of the images."""
        return Moves(self.top[index], self.left[index], self.mirrored[index])

    def to(self, device: torch.device) -> Moves:
        """The same on another device."""
        return Moves(self.top.to(device), self.left.to(device), self.mirrored.to(device))


def draw_moves(n: int, padding: tuple[int, int], flip: bool, generator: torch.Generator) -> Moves:
    """Draw, for each of n images, a crop (uniform over all positions) and whether to mirror.

    Args:
        n: number of images.
        padding: pixels at (top and bottom, left and right).
        flip: whether half of the images are mirrored; otherwise none.
        generator: on the CPU.
    """
    top = torch.randint(2 * padding[0] + 1, (n,), generator=generator)
    left = torch.randint(2 * padding[1] + 1, (n,), generator=generator)
    coin = torch.randint(2, (n,), generator=generator)
    return Moves(top, left, (coin == 1) & flip)


def augment(
    x: torch.Tensor, padding: tuple[int, int], moves: Moves, *, fill: int = 0
) -> torch.Tensor:
    """Pad with ``fill``, crop back to the size of ``x``, mirror left to right.

    Args:
        x: any type, (n, channels, height, width).
        padding: pixels at (top and bottom, left and right).
        moves: of n images, on the device of ``x``.
        fill: what stands in the padding.

    Returns:
        type and shape of ``x``.

    >>> x = torch.tensor([[[[1, 2], [3, 4]]]])
    >>> moves = Moves(torch.tensor([2]), torch.tensor([1]), torch.tensor([True]))
    >>> augment(x, (1, 1), moves)  # one row up, then mirrored
    tensor([[[[4, 3],
              [0, 0]]]])
    """
    n, channels, height, width = x.shape
    rows = torch.arange(height, device=x.device) + moves.top[:, None]
    columns = torch.arange(width, device=x.device).expand(n, width)
    columns = torch.where(moves.mirrored[:, None], columns.flip(1), columns) + moves.left[:, None]
    vertical, horizontal = padding
    padded = functional.pad(x, (horizontal, horizontal, vertical, vertical), value=fill)
    # One gather over flattened pixels: (n, height * width) positions, the same in every channel.
    position = (rows[:, :, None] * padded.shape[3] + columns[:, None, :]).reshape(n, 1, -1)
    pixels = padded.flatten(2).gather(2, position.expand(n, channels, height * width))
    return pixels.reshape(x.shape)
