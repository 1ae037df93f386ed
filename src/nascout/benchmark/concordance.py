"""Sums over all concordant pairs of rows, for many resamples at once, in n log n steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nascout.benchmark.bootstrap import Floats

__all__ = ["Term", "concordant_sum"]

BLOCK = 128
Term = tuple[Floats, Floats]


def concordant_sum(x: Floats, y: Floats, counts: Floats, terms: Sequence[Term]) -> Floats:
    """Sum of c_i c_j (u_i v_j + ...) over the pairs of rows with x_i < x_j and y_i < y_j.

    Rows are sorted by x; pairs within a block of 128 rows are looked at one by one, and pairs
    across the halves of ever larger blocks through cumulative sums in the order of y.

    Args:
        x, y: (n,).
        counts: (resamples, n), how often each row was drawn: c.
        terms: pairs (u, v) of arrays (n,).

    Returns:
        Shape (resamples,).

    >>> one = np.ones(3)
    >>> concordant_sum(np.array([1.0, 2, 3]), np.array([1.0, 3, 2]), np.ones((1, 3)), [(one, one)])
    array([2.])
    """
    # Among equal x the largest y comes first, so that no such pair is concordant.
    order = np.lexsort((-y, x))
    blocks = 2 ** max(0, int(np.ceil(np.log2(max(len(x), 1) / BLOCK))))
    missing = blocks * BLOCK - len(x)
    y, counts = _padded(y[order], missing), _padded(counts[:, order], missing)
    terms = [(_padded(u[order], missing), _padded(v[order], missing)) for u, v in terms]
    total = _within(y, counts, terms)
    size = 2 * BLOCK
    while size <= len(y):
        total += _across(y, counts, terms, size)
        size *= 2
    return total


def _padded(values: Floats, missing: int) -> Floats:
    """Rows that were never drawn at the end."""
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)])


def _within(y: Floats, counts: Floats, terms: Sequence[Term]) -> Floats:
    """Pairs inside one block."""
    total = np.zeros(len(counts))
    earlier = np.tri(BLOCK, k=-1, dtype=bool).T
    for start in range(0, len(y), BLOCK):
        rows = slice(start, start + BLOCK)
        below = earlier & (y[rows, None] < y[rows])
        worth = sum((np.outer(u[rows], v[rows]) for u, v in terms), np.zeros(below.shape))
        total += ((counts[:, rows] @ (below * worth)) * counts[:, rows]).sum(axis=1)
    return total


def _across(y: Floats, counts: Floats, terms: Sequence[Term], size: int) -> Floats:
    """Pairs of a row in the left half of a block of ``size`` and one in its right half."""
    # The right half goes first, so that a stable sort puts equal y of the left half behind it.
    rows = np.roll(np.arange(len(y)).reshape(-1, size), size // 2, axis=1)
    rows = np.take_along_axis(rows, np.argsort(y[rows], axis=1, kind="stable"), axis=1)
    is_left = rows % size < size // 2
    drawn = counts[:, rows]
    total = np.zeros(len(counts))
    for u, v in terms:
        left_below = np.cumsum(drawn * (u[rows] * is_left), axis=2)
        total += np.einsum("rbi,rbi,bi->r", left_below, drawn, v[rows] * ~is_left)
    return total
