import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.score.grad_norm import grad_norm


def test_one_layer_has_the_gradient_of_softmax_regression():
    draws = np.random.default_rng(0)
    x, labels = draws.normal(size=(5, 3)), np.array([0, 1, 1, 3, 2])
    net = nn.Linear(3, 4).double()
    weight, bias = (p.detach().numpy() for p in net.parameters())
    gradient = (softmax(x @ weight.T + bias, axis=1) - np.eye(4)[labels]).T @ x / 5
    assert grad_norm(net, torch.from_numpy(x), torch.from_numpy(labels)) == pytest.approx(
        np.sqrt((gradient**2).sum()), rel=1e-12
    )


def test_norms_of_layers_are_added_not_squared():
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 2, bias=False)).double()
    net[0].weight.data.fill_(3)
    net[1].weight.data = torch.tensor([[2.0], [2.0]]).double()
    # Both classes equally likely: (-h/2, h/2) with h = 3 after, and (-2 + 2) / 2 before.
    x, y = torch.ones(1, 1).double(), torch.tensor([0])
    assert grad_norm(net, x, y) == pytest.approx(np.sqrt(2 * 1.5**2))
    net[1].weight.data = torch.tensor([[2.0], [0.0]]).double()
    p = 1 / (1 + np.exp(6))  # of the wrong class
    assert grad_norm(net, x, y) == pytest.approx(np.sqrt(2) * 3 * p + 2 * p)


def test_labels_must_fit_the_outputs():
    x = torch.zeros(3, 2)
    with pytest.raises(UnsupportedNetwork, match="label 4"):
        grad_norm(nn.Linear(2, 4), x, torch.tensor([0, 4, 1]))
    with pytest.raises(UnsupportedNetwork, match="no logits"):
        grad_norm(nn.Linear(2, 4), x, torch.tensor([0, 1]))


def test_without_weights_it_says_so():
    with pytest.raises(UnsupportedNetwork, match="no weight"):
        grad_norm(nn.BatchNorm1d(2), torch.randn(4, 2), torch.tensor([0, 1, 0, 1]))
