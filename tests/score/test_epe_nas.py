"""EPE-NAS: closed forms with correlations of zero and one, and its definition in NumPy."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.score.epe_nas import class_score, epe_nas

ONE, ZERO = math.log(1 + 1e-5), math.log(1e-5)  # of a correlation of one, and of zero
ROWS = torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1], [1, 1, -1, -1]]).double()  # uncorrelated


class Square(nn.Module):
    """The Jacobian is the batch itself; ``outputs`` columns, all but the first zero."""

    def __init__(self, outputs=10):
        super().__init__()
        self.outputs = outputs

    def forward(self, x):
        first = x.square().sum(1, keepdim=True) / 2
        return torch.cat((first, first.new_zeros(len(x), self.outputs - 1)), 1)


def test_correlations_of_zero_within_and_between_classes():
    """Class 0 holds two uncorrelated rows, class 1 one row; pairs across classes do not count."""
    value = class_score(ROWS, torch.tensor([0, 0, 1]), classes=2)
    assert value == pytest.approx(abs(2 * ONE + 2 * ZERO) + ONE, rel=1e-9)


def test_opposite_rows_correlate_fully():
    rows = torch.cat((ROWS[:1], -2 * ROWS[:1] + 3))
    assert class_score(rows, torch.tensor([4, 4]), classes=10) == pytest.approx(4 * ONE, rel=1e-6)


def test_over_a_hundred_classes_are_compared():
    """s = (2 one + 2 zero) / 2 and one; the mean over both of the distance to the other."""
    value = class_score(ROWS, torch.tensor([7, 7, 3]), classes=101)
    assert value == pytest.approx(abs(ONE + ZERO - ONE), rel=1e-9)
    assert class_score(ROWS, torch.tensor([7, 7, 3]), classes=100) != pytest.approx(value)


def test_the_form_is_chosen_by_the_outputs_or_by_the_caller():
    y = torch.tensor([0, 0, 1])
    few, many = class_score(ROWS, y, 100), class_score(ROWS, y, 101)
    assert epe_nas(Square(100), ROWS, y) == few
    assert epe_nas(Square(101), ROWS, y) == many
    assert epe_nas(Square(5), ROWS, y, classes=120) == many


@pytest.mark.parametrize("classes", [3, 101])
def test_its_definition_in_numpy(classes):
    rows = np.random.default_rng(0).normal(size=(12, 9))
    labels = np.array([0, 1, 2] * 4)
    sums = []
    for c in range(3):
        own = [row for row, label in zip(rows, labels, strict=True) if label == c]
        s = sum(math.log(abs(np.corrcoef(a, b)[0, 1]) + 1e-5) for a in own for b in own)
        sums.append(s / len(own) if classes > 100 else s)
    if classes > 100:
        expected = sum(abs(a - b) for a in sums for b in sums) / 3
    else:
        expected = sum(map(abs, sums))
    value = class_score(torch.from_numpy(rows), torch.from_numpy(labels), classes)
    assert value == pytest.approx(expected, rel=1e-9)


def test_names_of_labels_do_not_matter():
    y = torch.tensor([0, 0, 1])
    assert epe_nas(Square(), ROWS, 9 - 3 * y) == epe_nas(Square(), ROWS, y)


def test_a_constant_gradient_is_not_a_number():
    x = torch.cat((ROWS, torch.full((1, 4), 3.0).double()))
    assert math.isnan(epe_nas(Square(), x, torch.tensor([0, 0, 1, 1])))


@pytest.mark.parametrize("y", [torch.zeros(2), torch.zeros(3, 4)])
def test_labels_that_are_not_one_per_sample_are_refused(y):
    with pytest.raises(UnsupportedNetwork, match="not one per sample"):
        epe_nas(Square(), ROWS, y)
