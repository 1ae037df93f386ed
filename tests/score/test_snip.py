import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from nascout.score.snip import snip


def test_one_layer_has_the_gradient_of_softmax_regression():
    draws = np.random.default_rng(0)
    x, labels = draws.normal(size=(5, 3)), np.array([0, 1, 1, 3, 2])
    net = nn.Linear(3, 4).double()
    weight, bias = (p.detach().numpy() for p in net.parameters())
    gradient = (softmax(x @ weight.T + bias, axis=1) - np.eye(4)[labels]).T @ x / 5
    assert snip(net, torch.from_numpy(x), torch.from_numpy(labels)) == pytest.approx(
        np.abs(weight * gradient).sum(), rel=1e-12
    )


def test_it_is_the_derivative_by_masks_of_ones():
    """The pruning paper's definition."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(9, 4)).double()
    x, y = torch.randn(5, 2, 4).double(), torch.arange(5) % 4
    masks = {
        name: torch.ones_like(p, requires_grad=True)
        for name, p in net.named_parameters()
        if "weight" in name
    }
    masked = {name: mask * net.get_parameter(name).detach() for name, mask in masks.items()}
    F.cross_entropy(functional_call(net, masked, (x,)), y).backward()
    expected = sum(float(mask.grad.abs().sum()) for mask in masks.values())
    assert snip(net, x, y) == pytest.approx(expected, rel=1e-12)
