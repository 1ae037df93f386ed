"""The input Jacobian against closed forms."""

import pytest
import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.score.jacobian import input_jacobian


def batch(n, *shape):
    return torch.randn((n, *shape), generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def test_rows_are_gradients_of_the_summed_outputs():
    """Of V tanh(W x): the column sums of V times 1 - tanh^2, times W."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x = batch(4, 2, 3).double()
    slope = 1 - net[:3](x).square()
    rows, output = input_jacobian(net, x)
    expected = (slope * net[3].weight.sum(0)) @ net[1].weight
    assert torch.allclose(rows, expected, rtol=1e-12)
    assert torch.equal(output, net(x)) and not output.requires_grad


def test_batch_statistics_couple_the_samples():
    """In train mode every output depends on every sample: the gradient of the sum over all."""
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 2)).double().eval()
    x = batch(5, 3).double().requires_grad_()
    z = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()
    (expected,) = torch.autograd.grad(net[2](z.tanh()).sum(), x)
    assert torch.allclose(input_jacobian(net, x)[0], expected, rtol=1e-10)


class Two(nn.Module):
    """a * b summed, plus a lookup of tokens."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 2)

    def forward(self, a, ids, b):
        return (a * b).sum(1) + self.embed(ids).sum(1)


@pytest.mark.parametrize("kind", [tuple, dict])
def test_several_inputs_stand_side_by_side_and_tokens_are_left_out(kind):
    a, b, ids = batch(3, 2), batch(3, 2) + 5, torch.tensor([1, 2, 3])
    x = (a, ids, b) if kind is tuple else {"b": b, "ids": ids, "a": a}
    expected = (b, a) if kind is tuple else (a, b)
    rows, _ = input_jacobian(Two(), x)
    assert torch.equal(rows, torch.cat(expected, 1).double())


def test_an_input_that_is_not_used_has_a_gradient_of_zero():
    class First(nn.Module):
        def forward(self, a, b):
            return 3 * a

    rows, _ = input_jacobian(First(), (batch(2, 1), batch(2, 2)))
    assert rows.tolist() == [[3, 0, 0], [3, 0, 0]]


def test_a_network_may_begin_in_place():
    x = torch.tensor([[1.0, -1.0]])
    net = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten())
    assert input_jacobian(net, x)[0].tolist() == [[1, 0]]
    assert x.tolist() == [[1, -1]]


def test_bfloat16_and_frozen_parameters():
    net = nn.Linear(4, 2).to(torch.bfloat16).requires_grad_(False)
    rows, _ = input_jacobian(net, batch(3, 4).to(torch.bfloat16))
    expected = net.weight.float().sum(0).expand(3, 4)
    assert rows.dtype == torch.float64
    assert torch.allclose(rows.float(), expected, rtol=0.01, atol=0.01)


def test_tokens_alone_are_refused():
    with pytest.raises(UnsupportedNetwork, match="behind the embedding"):
        input_jacobian(nn.Embedding(5, 2), torch.tensor([1, 2]))


def test_a_decision_has_no_gradient():
    class Decision(nn.Module):
        def forward(self, x):
            return x.argmax(1)

    with pytest.raises(UnsupportedNetwork, match="no gradient"):
        input_jacobian(Decision(), batch(3, 2))
