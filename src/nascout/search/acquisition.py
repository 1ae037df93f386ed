"""Which candidate to evaluate next, given what a model predicts and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from scipy.stats import norm

__all__ = ["ACQUISITIONS", "expected_improvement", "thompson"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Acquisition = Callable[[Floats, Floats, float, np.random.Generator], Floats]


def thompson(mean: Floats, spread: Floats, best: float, rng: np.random.Generator) -> Floats:
    """Independent Thompson sampling: one normal draw per candidate; the lowest is chosen.

    BANANAS (arXiv:1910.11858), section 4. ``best`` is not used.

    >>> thompson(np.array([1.0, 2.0]), np.zeros(2), 0.0, np.random.default_rng(0))
    array([1., 2.])
    """
    return np.asarray(mean + spread * rng.standard_normal(len(mean)))


def expected_improvement(
    mean: Floats, spread: Floats, best: float, rng: np.random.Generator
) -> Floats:
    """Minus the expected improvement over ``best`` of normal losses: Jones et al. 1998, eq. 15.

    ``rng`` is not used.

    >>> expected_improvement(np.array([0.0]), np.array([1.0]), 0.0, np.random.default_rng(0))
    array([-0.39894228])
    """
    spread = np.maximum(spread, 1e-12)
    gap = (best - mean) / spread
    return np.asarray(-spread * (gap * norm.cdf(gap) + norm.pdf(gap)))


ACQUISITIONS: Final[Mapping[str, Acquisition]] = MappingProxyType(
    {"expected_improvement": expected_improvement, "thompson": thompson}
)
"""By name; the lowest value is chosen."""
