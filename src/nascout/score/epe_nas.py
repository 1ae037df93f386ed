"""EPE-NAS: how alike the input Jacobians are within each class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nascout.errors import UnsupportedNetwork
from nascout.score.card import score
from nascout.score.graph_gradients import from_inputs
from nascout.score.inputs import Inputs, samples
from nascout.score.jacob_cov import correlations
from nascout.score.jacobian import input_jacobian

__all__ = ["class_score", "epe_nas"]

K = 1e-5  # the paper's, against correlations of zero
MANY = 100  # classes; with more, the classes are compared


def _total(rows: Tensor, output: Tensor, y: Tensor) -> float:
    """The score from the rows (n, D) of the Jacobian."""
    _check_labels(y, len(rows))
    return class_score(rows, y.to(rows.device), output.shape[-1])


@score(
    "epe_nas",
    paper="arXiv:2102.08099",
    equation="section 3",
    needs="labels",
    gradients=True,
    applies="differentiable networks with an input of floating point, one label per sample",
    deviations="from NASLib's code: nothing is left out; a class whose correlations are undefined "
    "makes the score so",
    batch=256,
    invariances=("batch order", "output scale", "label names", "function form"),
    at_once=from_inputs(_total),
)
def epe_nas(net: nn.Module, x: Inputs, y: Tensor, *, classes: int | None = None) -> float:
    """Per class, the sum of log(|correlation| + 1e-5) over all pairs of its samples' Jacobians.

    With s_c that sum, self-pairs included, the score is the sum of |s_c| over the classes of the
    batch. Where there are more than 100 classes, s_c is divided by the samples of the class, and
    the score is the sum of |s_c - s_d| over all pairs of classes, divided by the classes.

    Args:
        net: any network; it is left as found. It runs in train mode.
        x: (n, ...) a batch.
        y: (n,) labels.
        classes: how many there are, which decides between the two forms; by default the size of
            the output's last dimension.

    Returns:
        The score; NaN where a sample's gradient is constant, and has no correlation.

    Raises:
        UnsupportedNetwork: integer inputs only, an output without a gradient, or labels that are
            not one per sample.

    Example:
        >>> net = nn.Linear(3, 2)  # linear: all rows are equal, and all correlations one
        >>> x, y = torch.eye(4, 3), torch.tensor([0, 0, 1, 1])
        >>> round(epe_nas(net, x, y) / 8e-5, 3)  # 2 classes, 4 pairs each, log(1 + 1e-5)
        1.0
    """
    _check_labels(y, samples(x))
    rows, output = input_jacobian(net, x)
    return class_score(rows, y.to(rows.device), classes or output.shape[-1])


def _check_labels(y: Tensor, n: int) -> None:
    if y.shape != (n,):
        raise UnsupportedNetwork(
            f"labels {tuple(y.shape)} are not one per sample",
            f"Give one class index for each of the {n} samples.",
        )


def class_score(rows: Tensor, y: Tensor, classes: int) -> float:
    """The score from the rows (n, D) of a Jacobian, their labels (n,), and how many classes exist.

    >>> rows = torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1], [1, 1, -1, -1]]).double()
    >>> round(class_score(rows, torch.tensor([0, 0, 1]), 2), 2)  # |2 log(1e-5) + ...| + ...
    23.03
    """
    present, counts = torch.unique(y, return_counts=True)
    sums = torch.stack(
        [(correlations(rows[y == label]).abs() + K).log().sum() for label in present]
    )
    if classes <= MANY:
        return float(sums.abs().sum())
    sums /= counts
    return float((sums[:, None] - sums).abs().sum() / len(sums))
