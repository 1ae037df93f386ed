"""What links a layer's input channels to its outputs, and sums over it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from nascout.score.unit_steps import Indices

__all__ = ["Mask", "kept"]


@dataclass(frozen=True, eq=False)
class Mask:
    """``blocks[g, i, o]``: whether channel i of group g excites output o of that group.

    Args:
        blocks: (groups, in / groups, out / groups); groups are not connected to each other.

    >>> mask = Mask(np.array([[[True, True], [False, True]], [[False, True], [False, False]]]))
    >>> mask.outputs, mask.leaving.tolist()
    (4, [2, 1, 1, 0])
    >>> mask.reaching(np.array([1, 3, 1, 1])).tolist()
    [1.0, 4.0, 0.0, 1.0]
    """

    blocks: NDArray[np.bool_]

    @property
    def outputs(self) -> int:
        """Channels of the layer's output."""
        return int(self.blocks.shape[0] * self.blocks.shape[2])

    @property
    def nbytes(self) -> int:
        """Bytes that it may come to hold, as truth values and as numbers."""
        return 9 * self.blocks.size

    @cached_property
    def leaving(self) -> Indices:
        """(in,) how many outputs each channel excites."""
        counts: Indices = self.blocks.sum(2).ravel()
        return counts

    def reaching(self, heard: Indices) -> NDArray[np.float64]:
        """(out,) how many units excite each output, if channel c holds ``heard[c]`` of them."""
        groups, size, _ = self.blocks.shape
        counts: NDArray[np.float64] = heard.reshape(groups, 1, size) @ self._numbers
        return counts.ravel()

    @cached_property
    def _numbers(self) -> NDArray[np.float64]:
        # Products of floats are quick, and of whole numbers exact.
        return self.blocks.astype(np.float64)

    def pairs(self, channel: Indices) -> tuple[Indices, Indices]:
        """Every (k, output) where ``channel[k]`` excites the output."""
        _, size, made = self.blocks.shape
        group, row = np.divmod(channel, size)
        k, column = np.nonzero(self.blocks[group, row])
        return k, group[k] * made + column


@lru_cache(2**10)
def kept(width: int) -> Mask:
    """The mask of a layer that hands on each of ``width`` channels."""
    return Mask(np.ones((width, 1, 1), bool))
