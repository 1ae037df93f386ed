"""jacob_dcor: jacob_cov's steps on distance correlations."""

import math

import pytest
import torch
from torch import nn

from nascout.score.jacob_cov import jacob_cov
from nascout.score.jacob_dcor import jacob_dcor

K = 1e-5


class Square(nn.Module):
    """Half the sum of squares: the Jacobian is the batch itself."""

    def forward(self, x):
        return x.square().sum(1) / 2


def test_samples_of_independent_coordinates_give_about_minus_n():
    """A grid's two coordinates are independent: distance correlation zero."""
    x = torch.cartesian_prod(torch.arange(4.0), torch.tensor([0.0, 1, 5])).T
    assert jacob_dcor(Square(), x) == pytest.approx(-2 * (math.log(1 + K) + 1 / (1 + K)), abs=1e-6)


def test_opposite_rows_count_as_equal():
    x = torch.tensor([[1.0, 2, 4, 9], [-1, -2, -4, -9]])
    expected = -(math.log(K) + 1 / K + math.log(2 + K) + 1 / (2 + K))
    assert jacob_dcor(Square(), x) == pytest.approx(expected, rel=1e-6)


def test_dependence_without_correlation_is_seen():
    line = torch.linspace(-1, 1, 101)
    x = torch.stack((line, line**2))
    assert jacob_cov(Square(), x) == pytest.approx(-2, abs=1e-3)
    assert jacob_dcor(Square(), x) < -2.2


def test_of_many_coordinates_every_kth_is_read():
    x = torch.randn((4, 30), generator=torch.Generator().manual_seed(0))
    assert jacob_dcor(Square(), x, coordinates=10) == jacob_dcor(Square(), x[:, ::3])
    assert jacob_dcor(Square(), x, coordinates=29) == jacob_dcor(Square(), x[:, ::2])
    assert jacob_dcor(Square(), x, coordinates=30) == jacob_dcor(Square(), x)


def test_a_constant_gradient_is_not_a_number():
    assert math.isnan(jacob_dcor(Square(), torch.tensor([[1.0, 2, 4, 9], [3, 3, 3, 3]])))


def test_alike_rows_may_have_a_negative_eigenvalue_and_their_squares_not():
    """Many mixtures of two directions: squares are inner products, their roots are not."""
    a, b = torch.randn((2, 50), generator=torch.Generator().manual_seed(0))
    angle = torch.linspace(0, 3, 12)[:, None]
    x = angle.cos() * a + angle.sin() * b
    assert math.isnan(jacob_dcor(Square(), x))
    assert math.isfinite(jacob_dcor(Square(), x, squared=True))
