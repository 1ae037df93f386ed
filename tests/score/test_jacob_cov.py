"""jacob_cov: closed forms of the spectrum, and NumPy's correlation with a general eigensolver."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from nascout.network import build
from nascout.score.evaluate import evaluate
from nascout.score.jacob_cov import correlations, jacob_cov, spectrum_score
from nascout.space.nasbench201 import NasBench201

K = 1e-5
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_3x3~2|"


class Square(nn.Module):
    """Half the sum of squares: the Jacobian is the batch itself."""

    def forward(self, x):
        return x.square().sum(1) / 2


def test_uncorrelated_rows_give_about_minus_n():
    """C is the identity: n eigenvalues of one."""
    x = torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1], [1, 1, -1, -1]])
    assert jacob_cov(Square(), x) == pytest.approx(-3 * (math.log(1 + K) + 1 / (1 + K)), rel=1e-9)


@pytest.mark.parametrize("n", [2, 5])
def test_equal_rows_leave_one_eigenvalue(n):
    x = torch.tensor([[1.0, 2, 4]]).expand(n, 3)
    expected = -((n - 1) * (math.log(K) + 1 / K) + math.log(n + K) + 1 / (n + K))
    assert jacob_cov(Square(), x) == pytest.approx(expected, rel=1e-6)


def test_each_row_loses_its_own_mean_and_scale():
    x = torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1]])
    moved = x * torch.tensor([[3.0], [-7.0]]) + torch.tensor([[5.0], [11.0]])
    assert jacob_cov(Square(), moved) == pytest.approx(jacob_cov(Square(), x), rel=1e-9)


def test_one_sample_has_the_correlation_one():
    assert correlations(torch.tensor([[1.0, 2, 4]])).tolist() == [[1.0]]
    assert jacob_cov(Square(), torch.tensor([[1.0, 2, 4]])) == pytest.approx(-1, abs=2e-5)


def test_the_released_steps_in_numpy():
    net = build(NasBench201(channels=4, cells=1, classes=1, input_shape=(3, 8, 8)).parse(CELL))
    x = torch.randn((8, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    leaf = x.clone().requires_grad_()
    output = net.train()(leaf)
    output.backward(torch.ones_like(output))
    values, _ = np.linalg.eig(np.corrcoef(leaf.grad.reshape(8, -1).double().numpy()))
    expected = -np.sum(np.log(values + K) + 1 / (values + K))
    assert jacob_cov(net, x) == pytest.approx(expected, rel=1e-9)


def test_a_constant_gradient_is_not_a_number_and_an_outcome():
    x = torch.tensor([[1.0, 2, 4], [3, 3, 3]])
    assert math.isnan(jacob_cov(Square(), x))
    assert evaluate(Square(), x, "jacob_cov").outcome == "nonfinite"


def test_tokens_are_an_outcome_with_a_way_out():
    net = nn.Sequential(nn.Embedding(5, 2), nn.Flatten(), nn.Linear(6, 1))
    score = evaluate(net, torch.ones(4, 3, dtype=torch.long), "jacob_cov")
    assert score.outcome == "unsupported" and "behind the embedding" in score.message


def test_a_spectrum_by_hand():
    """[[1, .5], [.5, 1]] has the eigenvalues .5 and 1.5."""
    matrix = torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    expected = -sum(math.log(v + K) + 1 / (v + K) for v in (0.5, 1.5))
    assert spectrum_score(matrix) == pytest.approx(expected, rel=1e-12)
    assert math.isnan(spectrum_score(matrix - 2 * torch.eye(2)))
