import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from nascout.errors import UnsupportedNetwork
from nascout.score.grasp import grasp


def test_one_layer_has_the_hessian_of_softmax_regression():
    draws = np.random.default_rng(0)
    x, labels = draws.normal(size=(5, 3)), np.array([0, 1, 1, 3, 2])
    net = nn.Linear(3, 4, bias=False).double()
    weight = net.weight.detach().numpy()
    p = softmax(x @ weight.T, axis=1)
    gradient = (p - np.eye(4)[labels]).T @ x / 5
    # Per sample the Hessian is (diag p - p pᵀ) ⊗ x xᵀ.
    hessian = sum(
        np.einsum("ab,i,j->aibj", np.diag(pn) - np.outer(pn, pn), xn, xn)
        for pn, xn in zip(p, x, strict=True)
    )
    expected = -np.einsum("ai,aibj,bj", weight, hessian / 5, gradient)
    assert grasp(net, torch.from_numpy(x), torch.from_numpy(labels)) == pytest.approx(
        expected, rel=1e-12
    )


def test_it_takes_the_whole_hessian_of_the_weights_and_not_of_the_biases():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 3)).double()
    x, y = torch.randn(4, 2).double(), torch.tensor([0, 1, 2, 1])
    names, shapes = ("0.weight", "2.weight"), ((3, 2), (3, 3))

    def loss(flat):
        parts = flat.split([6, 9])
        state = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
        return F.cross_entropy(functional_call(net, state, (x,)), y)

    flat = torch.cat([net.get_parameter(name).detach().flatten() for name in names])
    gradient = torch.autograd.functional.jacobian(loss, flat)
    hessian = torch.autograd.functional.hessian(loss, flat)
    assert grasp(net, x, y) == pytest.approx(float(-flat @ hessian @ gradient), rel=1e-12)


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope):
        return 2 * slope


def distances(x):
    """PyTorch has no second derivative of this."""
    return torch.cdist(x, torch.eye(2))


@pytest.mark.parametrize("function", [Once.apply, distances])
def test_what_cannot_be_differentiated_twice_is_named(function):
    class Net(nn.Linear):
        def forward(self, x):
            return super().forward(function(super().forward(x)))

    with pytest.raises(UnsupportedNetwork, match="differentiates twice"):
        grasp(Net(2, 2), torch.randn(3, 2), torch.tensor([0, 1, 0]))
