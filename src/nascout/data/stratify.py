"""Holding out a part of a data set, class by class, the same on every machine."""

from __future__ import annotations

import numpy as np
import torch

from nascout.records import content_digest

__all__ = ["hold_out", "stream"]


def stream(purpose: str, seed: int) -> np.random.RandomState:
    """Random numbers for one purpose; two purposes with one seed are unrelated.

    numpy guarantees that ``RandomState`` never changes its numbers from version to version, which
    neither ``torch.randperm`` nor numpy's newer generators promise.
    """
    return np.random.RandomState(int(content_digest([purpose, seed])[:8], 16))


def hold_out(
    y: torch.Tensor, fraction: float, purpose: str, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Divide the indices of ``y`` into those that stay and those held out, class by class.

    Of a class of m images, ``round(fraction * m)`` are held out, but at least one and at most
    m - 1; a class of one image keeps it.

    Args:
        y: int64 labels, (n,).
        fraction: between 0 and 1.
        purpose: name of the random stream (``"val"``, ``"test"``).
        seed: any integer.

    Returns:
        kept and held: int64 indices, each ascending; together every index once.

    >>> kept, held = hold_out(torch.tensor([0, 0, 0, 0, 1, 1]), 0.25, "val")
    >>> len(kept), len(held)
    (4, 2)
    """
    order = torch.from_numpy(stream(purpose, seed).permutation(len(y)))
    held = []
    for label in np.unique(y.numpy()):
        members = order[y[order] == int(label)]
        share = min(max(round(fraction * len(members)), 1), len(members) - 1)
        held.append(members[:share])
    is_held = torch.zeros(len(y), dtype=torch.bool)
    is_held[torch.cat(held)] = True
    return (~is_held).nonzero()[:, 0], is_held.nonzero()[:, 0]
