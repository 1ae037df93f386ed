"""jacob_cov, NASWOT's first version: how alike the samples' input Jacobians are."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nascout.score.card import score
from nascout.score.graph_gradients import from_inputs
from nascout.score.inputs import Inputs
from nascout.score.jacobian import input_jacobian

__all__ = ["correlations", "jacob_cov", "spectrum_score"]

K = 1e-5  # the paper's, against eigenvalues of zero


def _total(rows: Tensor, *_: Tensor) -> float:
    """The score from the rows (n, D) of the Jacobian."""
    return spectrum_score(correlations(rows))


@score(
    "jacob_cov",
    paper="arXiv:2006.04647v1",
    equation="section 3, score of version 1",
    gradients=True,
    applies="differentiable networks with an input of floating point",
    deviations="from the released code: a symmetric eigensolver; no error becomes a number",
    batch=256,
    invariances=("batch order", "output scale", "function form"),
    at_once=from_inputs(_total),
)
def jacob_cov(net: nn.Module, x: Inputs) -> float:
    """Minus the sum of log(v + k) + 1/(v + k) over the eigenvalues v of the Jacobian's correlation.

    J (n, D) is the gradient of the summed outputs with respect to each sample, in train mode. The
    rows of J are correlated (Pearson) in float64; k = 1e-5. The best score is about -n, where no
    two samples' gradients are correlated.

    Args:
        net: any network; it is left as found. The paper gives it one output, later codes keep all.
        x: (n, ...) a batch; the paper uses 256 images, later codes 64.

    Returns:
        The score; NaN where a sample's gradient is constant, and has no correlation.

    Raises:
        UnsupportedNetwork: integer inputs only, or an output without a gradient.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 1), nn.Flatten())  # linear: all rows are equal
        >>> x = torch.eye(3, 4)
        >>> expected = -(2 * (math.log(K) + 1 / K) + math.log(3 + K) + 1 / (3 + K))
        >>> round(jacob_cov(net, x) / expected, 6)
        1.0
    """
    return _total(input_jacobian(net, x)[0])


def correlations(rows: Tensor) -> Tensor:
    """Pearson's correlation (n, n) between the rows of (n, D); NaN beside a constant row.

    >>> correlations(torch.tensor([[1.0, 2.0, 3.0], [6.0, 4.0, 2.0]])).round().tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    return torch.corrcoef(rows).reshape(len(rows), len(rows))  # a single row gives a scalar


def spectrum_score(matrix: Tensor) -> float:
    """Minus the sum of log(v + k) + 1/(v + k) over the eigenvalues v of a symmetric matrix.

    NaN if the matrix holds a value that is not finite, or has an eigenvalue below -k.

    >>> round(spectrum_score(torch.eye(4, dtype=torch.float64)), 6)
    -4.0
    """
    if not matrix.isfinite().all():
        return math.nan
    shifted = torch.linalg.eigvalsh(matrix) + K
    return -float((shifted.log() + 1 / shifted).sum())
