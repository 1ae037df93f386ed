"""Distance correlation: zero only for independence, where Pearson's sees straight lines."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["distance_correlation", "distance_correlations", "unbiased_squared_correlation"]


def distance_correlation(x: Tensor, y: Tensor) -> float:
    """Distance correlation of two samples of numbers, from 0 to 1 (Székely et al. 2007).

    Blind to direction, shift and scale; one where y is linear in x. It is biased upwards on few
    pairs: for fewer than 50 see :func:`unbiased_squared_correlation`.

    Args:
        x: (D,) numbers.
        y: (D,) numbers, paired with x.

    Returns:
        The correlation; NaN if a sample is constant.

    >>> round(distance_correlation(torch.tensor([1, 2, 3]), torch.tensor([5, 3, 1])), 6)
    1.0
    """
    return float(distance_correlations(torch.stack((x, y)))[0, 1])


def unbiased_squared_correlation(x: Tensor, y: Tensor) -> float:
    """The bias-corrected *squared* distance correlation (Székely and Rizzo 2013, 2014).

    Its mean is about zero for independent samples, so it may be negative, and has no root.

    Args:
        x: (D,) numbers, D > 3.
        y: (D,) numbers, paired with x.

    Returns:
        From -1 to 1; NaN if a sample is constant.

    >>> x = torch.arange(5.0)
    >>> round(unbiased_squared_correlation(x, 1 - 2 * x), 6)
    1.0
    """
    rows = torch.stack((x, y)).double()
    products, sums = _distances(rows)
    size, totals = rows.shape[1], sums.sum(1)
    # The inner product of U-centred distances, written out.
    products -= 2 / (size - 2) * sums @ sums.T
    products += torch.outer(totals, totals) / ((size - 1) * (size - 2))
    return float(_normalised(products)[0, 1])


def distance_correlations(rows: Tensor) -> Tensor:
    """Distance correlation between every two rows, exactly.

    Args:
        rows: (n, D), one sample of D numbers per row.

    Returns:
        (n, n) float64; NaN beside a constant row.

    The D x D distances of a row are made one line at a time, for all rows together, and their
    inner products are one matrix product per line: n^2 D^2 / 2 multiply-adds, memory of n D.
    """
    products, sums = _distances(rows.double())
    size, totals = rows.shape[1], sums.sum(1)
    # The inner product of doubly centred distances, written out.
    products -= 2 / size * sums @ sums.T
    products += torch.outer(totals, totals) / size**2
    return _normalised(products).clamp(min=0).sqrt()


def _distances(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Of the distances within each row: their inner products (n, n), and their sums (n, D)."""
    n, size = rows.shape
    products, sums = rows.new_zeros(n, n), rows.new_zeros(n, size)
    for i in range(size):
        later = (rows[:, i + 1 :] - rows[:, i : i + 1]).abs_()  # earlier ones are their mirror
        sums[:, i] += later.sum(1)
        sums[:, i + 1 :] += later
        products.addmm_(later, later.T)
    return 2 * products, sums


def _normalised(products: Tensor) -> Tensor:
    """Inner products over the lengths; NaN for a length of zero."""
    lengths = products.diagonal().clamp(min=0).sqrt()
    lengths = lengths.where(lengths > 0, math.nan)
    return products / torch.outer(lengths, lengths)
