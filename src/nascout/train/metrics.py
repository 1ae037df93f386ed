"""How good predictions are, for tasks beyond one label per image."""

from __future__ import annotations

import torch

from nascout.errors import DataError

__all__ = [
    "label_accuracy",
    "mean_absolute_error",
    "mean_average_precision",
    "mean_iou",
    "r2",
    "right",
]


def right(predictions: torch.Tensor, y: torch.Tensor) -> float:
    """Percent of predicted classes that are the labels: int64, (n,) each."""
    return 100 * float((predictions == y).double().mean())


def mean_average_precision(predictions: torch.Tensor, y: torch.Tensor) -> float:
    """Percent: the area under precision over recall (as steps), averaged over labels.

    Labels that no image has are left out.

    Args:
        predictions: (n, k), any number that is larger the likelier the label.
        y: 0 or 1, (n, k).

    Raises:
        DataError: no image has any label.

    >>> mean_average_precision(torch.tensor([[3.0], [2.0], [1.0]]), torch.tensor([[1], [0], [1]]))
    83.33333333333333
    """
    from sklearn.metrics import average_precision_score

    there = (y > 0.5).any(0)
    if not there.any():
        raise DataError("no image has any label", "Measure on a part that has some.")
    truth, scores = (y[:, there] > 0.5).numpy(), predictions[:, there].double().numpy()
    return 100 * float(average_precision_score(truth, scores))


def label_accuracy(predictions: torch.Tensor, y: torch.Tensor) -> float:
    """Percent of all labels, set or not, that the sign of the prediction has right: (n, k)."""
    return 100 * float(((predictions > 0) == (y > 0.5)).double().mean())


def r2(predictions: torch.Tensor, y: torch.Tensor) -> float:
    """1 minus the squared error over the variance, averaged over k values: (n, k) each.

    >>> r2(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[1.0], [2.0], [4.0]]))
    0.7857142857142857
    """
    from sklearn.metrics import r2_score

    return float(r2_score(y.double().numpy(), predictions.double().numpy()))


def mean_absolute_error(predictions: torch.Tensor, y: torch.Tensor) -> float:
    """In the unit of the values: (n, k) each."""
    return float((predictions.double() - y.double()).abs().mean())


def mean_iou(predictions: torch.Tensor, y: torch.Tensor) -> float:
    """Percent: intersection over union, averaged over the classes that occur in either.

    Args:
        predictions: int64 maps of classes, (n, height, width).
        y: the same; pixels below 0 are left out.

    Raises:
        DataError: no pixel has a class.

    >>> mean_iou(torch.tensor([[[0, 0, 1, 1]]]), torch.tensor([[[0, 1, 1, -100]]]))
    50.0
    """
    found, truth = predictions[y >= 0], y[y >= 0]
    if len(truth) == 0:
        raise DataError("no pixel has a class", "Measure on a part that has some.")
    k = int(torch.stack([found, truth]).max()) + 1
    counts = torch.bincount(truth * k + found, minlength=k * k).reshape(k, k).double()
    both, either = counts.diag(), counts.sum(0) + counts.sum(1) - counts.diag()
    return 100 * float((both[either > 0] / either[either > 0]).mean())
