"""What a controller is rewarded with, and the baseline that rewards are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Baseline", "ranked"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


class Baseline:
    """The exponential moving average of rewards, corrected for its start.

    After rewards R_1 ... R_n it is the mean of them with the weights ``momentum ** (n - i)``.

    >>> baseline = Baseline(0.5)
    >>> baseline.tell([1.0, 4.0])
    >>> baseline.value
    3.0
    """

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum
        self._sum = self._weight = 0.0

    @property
    def value(self) -> float | None:
        """``None`` before the first reward."""
        return self._sum / self._weight if self._weight else None

    def tell(self, rewards: Sequence[float] | Floats) -> None:
        """Take in rewards, the oldest first."""
        for reward in rewards:
            self._sum = self.momentum * self._sum + float(reward)
            self._weight = self.momentum * self._weight + 1


def ranked(losses: Sequence[float] | Floats, among: Sequence[float] | Floats) -> Floats:
    """The fraction of ``among`` that each loss beats, ties counting half: between 0 and 1.

    A score has no bounds, and its size no meaning; its rank has both.

    >>> ranked([1.0, 3.0], among=[1.0, 2.0, 3.0, 3.0])
    array([0.875, 0.25 ])
    """
    known = np.sort(among)
    below, up_to = (np.searchsorted(known, losses, side) for side in ("left", "right"))
    return np.asarray(1 - (below + up_to) / (2 * len(known)))
