import pytest
import torch

from nascout.errors import DataError
from nascout.train.metrics import (
    label_accuracy,
    mean_absolute_error,
    mean_average_precision,
    mean_iou,
    r2,
    right,
)


def test_average_precision_by_hand():
    """Label 0: found at ranks 1 and 3: (1 + 2/3) / 2. Label 1: at rank 2: 1/2. Label 2: nowhere."""
    scores = torch.tensor([[0.9, 0.1, 0.5], [0.5, 0.8, 0.5], [0.3, 0.9, 0.5]])
    y = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, 0]])
    assert mean_average_precision(scores, y) == pytest.approx(100 * (5 / 6 + 1 / 2) / 2)
    with pytest.raises(DataError, match="any label"):
        mean_average_precision(scores, y * 0)


def test_mean_iou_by_hand():
    """Class 0: 2 of 4 pixels; class 1: 1 of 3; class 3: predicted once, never there."""
    found = torch.tensor([[[0, 0, 1], [1, 3, 0]]])
    truth = torch.tensor([[[0, 0, 1], [0, -100, 1]]])
    # Without the unlabelled pixel: intersections 2, 1; unions 4, 3.
    assert mean_iou(found, truth) == pytest.approx(100 * (2 / 4 + 1 / 3) / 2)
    truth[0, 1, 1] = 0
    assert mean_iou(found, truth) == pytest.approx(100 * (2 / 5 + 1 / 3 + 0) / 3)
    with pytest.raises(DataError, match="no pixel"):
        mean_iou(found, truth * 0 - 100)


def test_the_rest_by_hand():
    assert right(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 1, 2])) == 75
    scores, y = torch.tensor([[2.0, -1.0], [-3.0, 4.0]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    assert label_accuracy(scores, y) == 75
    found, truth = torch.tensor([[1.0], [2.0], [6.0]]), torch.tensor([[1.0], [3.0], [5.0]])
    assert r2(found, truth) == pytest.approx(1 - 2 / 8)
    assert mean_absolute_error(found, truth) == pytest.approx(2 / 3)
