import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

from nascout.score.plain import plain
from nascout.score.snip import snip


def test_one_layer_has_the_gradient_of_softmax_regression():
    draws = np.random.default_rng(0)
    x, labels = draws.normal(size=(5, 3)), np.array([0, 1, 1, 3, 2])
    net = nn.Linear(3, 4).double()
    weight, bias = (p.detach().numpy() for p in net.parameters())
    gradient = (softmax(x @ weight.T + bias, axis=1) - np.eye(4)[labels]).T @ x / 5
    assert plain(net, torch.from_numpy(x), torch.from_numpy(labels)) == pytest.approx(
        (weight * gradient).sum(), rel=1e-12
    )


def test_layers_of_a_bias_free_relu_network_have_equal_parts():
    """Outputs are proportional to each layer's weights, so each adds Σ logit · ∂L/∂logit."""
    torch.manual_seed(0)
    layers = [nn.Linear(3, 8, bias=False), nn.ReLU(), nn.Linear(8, 4, bias=False)]
    net = nn.Sequential(*layers).double()
    x, y = torch.randn(5, 3).double(), torch.arange(5) % 4
    logits = net(x).detach().numpy()
    slope = (softmax(logits, axis=1) - np.eye(4)[y]) / 5
    assert plain(net, x, y) == pytest.approx(2 * (logits * slope).sum(), rel=1e-12)


def test_it_is_blind_to_weights_before_a_normalisation():
    torch.manual_seed(0)
    layers = [nn.Linear(3, 8), nn.BatchNorm1d(8, eps=1e-14), nn.ReLU(), nn.Linear(8, 4, bias=False)]
    net = nn.Sequential(*layers).double()
    x, y = torch.randn(5, 3).double(), torch.arange(5) % 4
    logits = net(x).detach().numpy()
    slope = (softmax(logits, axis=1) - np.eye(4)[y]) / 5
    # The bias before the normalisation has no effect either; its gradient is zero.
    assert plain(net, x, y) == pytest.approx((logits * slope).sum(), rel=1e-9)
    assert snip(net, x, y) > snip(net[3], net[:3](x).detach(), y) * 1.01
