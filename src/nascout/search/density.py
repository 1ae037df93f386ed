"""A kernel density over categorical decisions, to sample from and to compare by."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import logsumexp

from nascout.errors import ArchitectureError
from nascout.space import Architecture, Space

__all__ = ["Density"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


class Density:
    """The mean, over some architectures, of products of Aitchison and Aitken's kernels.

    A decision of c options keeps its value with probability 1 - h and takes each of the others
    with h / (c - 1). Where decisions depend on others, not being open is one more option.

    h is ``1.06 s n^(-1 / (d + 4))``, the normal reference rule for n architectures of d decisions,
    within ``min_bandwidth`` and (c - 1) / c, which is uniform. s² is the variance of the one-hot
    code, ``1 - sum p²``. (BOHB's code takes the variance of the options' indices, which depends on
    their order and mostly exceeds what is uniform; then it samples at random.)

    Args:
        space: whose decisions.
        architectures: at least one.
        min_bandwidth: the least h.

    Attributes:
        bandwidths: h of every decision.

    Example:
        >>> from nascout.space import SPACES
        >>> space = SPACES["nasbench201"]()
        >>> cells = list(space)
        >>> density = Density(space, cells[:1], min_bandwidth=0.3)
        >>> round(float(np.exp(density.log(cells)).sum()), 6)
        1.0
    """

    def __init__(
        self, space: Space, architectures: Sequence[Architecture], *, min_bandwidth: float
    ) -> None:
        self._space, self._architectures = space, architectures
        self._codes = self._encode(architectures)
        count, decisions = self._codes.shape
        sizes = np.array([len(c.options) + bool(c.when) for c in space.decisions])
        shares = [np.bincount(column) / count for column in self._codes.T]
        spreads = np.sqrt([1 - float(share @ share) for share in shares])
        widths = 1.06 * spreads * count ** (-1 / (decisions + 4))
        self.bandwidths: Floats = np.minimum(np.maximum(widths, min_bandwidth), (sizes - 1) / sizes)
        self._others = np.maximum(1, sizes - 1)

    def log(self, architectures: Sequence[Architecture]) -> Floats:
        """The logarithm of the density of each."""
        same = self._encode(architectures)[:, None] == self._codes
        with np.errstate(divide="ignore"):  # one option only: nothing else is possible
            stay, leave = np.log1p(-self.bandwidths), np.log(self.bandwidths / self._others)
        terms = np.where(same, stay, leave).sum(axis=2)
        return np.asarray(logsumexp(terms, axis=1) - np.log(len(self._architectures)))

    def sample(self, rng: random.Random) -> Architecture | None:
        """A draw; ``None`` if its decisions do not fit together.

        A decision that was not open in the architecture drawn, and is now, is uniform.
        """
        near = rng.choice(self._architectures).values
        made: dict[str, str | None] = {}
        for choice, value, width in zip(self._space.decisions, near, self.bandwidths, strict=True):
            others = [option for option in choice.options if option != value]
            leaves = others and (value is None or rng.random() < width)
            drawn = rng.choice(others) if leaves else value
            made[choice.name] = drawn if choice.is_open(made) else None
        try:
            return Architecture(self._space, tuple(made.values()))
        except ArchitectureError:
            return None

    def _encode(self, architectures: Sequence[Architecture]) -> np.ndarray[Any, np.dtype[np.int64]]:
        places = [{o: i for i, o in enumerate((*c.options, None))} for c in self._space.decisions]
        return np.array(
            [
                [place[value] for place, value in zip(places, one.values, strict=True)]
                for one in architectures
            ]
        )
