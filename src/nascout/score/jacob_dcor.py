"""jacob_cov with distance correlation in place of Pearson's."""

from __future__ import annotations

from torch import Tensor, nn

from nascout.score.card import score
from nascout.score.distance_correlation import distance_correlations
from nascout.score.graph_gradients import from_inputs
from nascout.score.inputs import Inputs
from nascout.score.jacob_cov import spectrum_score
from nascout.score.jacobian import input_jacobian

__all__ = ["jacob_dcor"]


def _total(rows: Tensor, *_: Tensor, coordinates: int = 1024, squared: bool = False) -> float:
    """The score from the rows (n, D) of the Jacobian."""
    stride = -(-rows.shape[1] // coordinates)
    matrix = distance_correlations(rows[:, ::stride])
    return spectrum_score(matrix.square() if squared else matrix)


@score(
    "jacob_dcor",
    paper="arXiv:2006.04647v1",
    equation="section 3, score of version 1, its correlation replaced",
    gradients=True,
    applies="differentiable networks with an input of floating point",
    deviations="not from a paper; of more than 1024 input values per sample, every k-th is read",
    batch=256,
    invariances=("batch order", "output scale", "function form"),
    at_once=from_inputs(_total),
)
def jacob_dcor(
    net: nn.Module, x: Inputs, *, coordinates: int = 1024, squared: bool = False
) -> float:
    """jacob_cov's score of the distance correlations between the samples' input Jacobians.

    Distance correlation is zero only for independent rows, so it also sees dependence that is no
    straight line; it does not tell a positive from a negative one. It is biased upwards by about
    the root of 1/D: on a few dozen input values the score says little.

    Args:
        net: any network; it is left as found. It runs in train mode.
        x: (n, ...) a batch.
        coordinates: the most input values per sample to compare; of more, every k-th is taken, k
            the smallest that is enough. Work grows with the square of n and of this number.
        squared: compare by the squares of the correlations, which leave no eigenvalue negative.

    Returns:
        The score; NaN where a sample's gradient is constant, or an eigenvalue is negative, which
        distance correlations of many alike rows may have.

    Raises:
        UnsupportedNetwork: integer inputs only, or an output without a gradient.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(9, 4), nn.Tanh(), nn.Linear(4, 1))
        >>> jacob_dcor(net, torch.eye(3, 9)) <= -3
        True
    """
    return _total(input_jacobian(net, x)[0], coordinates=coordinates, squared=squared)
