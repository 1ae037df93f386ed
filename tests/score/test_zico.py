import math

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

from nascout.errors import ConfigError
from nascout.score.evaluate import evaluate
from nascout.score.zico import zico


def part_gradient(weight, x, labels):
    p = softmax(x @ weight.T, axis=1)
    return (p - np.eye(len(weight))[labels]).T @ x / len(x)


@pytest.mark.parametrize("batches", [2, 3])
def test_one_layer_has_the_gradients_of_softmax_regression(batches):
    """With 8 samples, three parts are of 3, 3 and 2."""
    draws = np.random.default_rng(0)
    x, labels = draws.normal(size=(8, 3)), draws.integers(0, 4, 8)
    net = nn.Linear(3, 4, bias=False).double()
    weight = net.weight.detach().numpy()
    ends = {2: [4], 3: [3, 6]}[batches]
    parts = zip(np.split(x, ends), np.split(labels, ends), strict=True)
    gradients = np.stack([part_gradient(weight, *part) for part in parts])
    expected = np.log((np.abs(gradients).mean(0) / gradients.std(0)).sum())
    value = zico(net, torch.from_numpy(x), torch.from_numpy(labels), batches=batches)
    assert value == pytest.approx(expected, rel=1e-12)


def test_the_deviation_is_of_the_gradient_with_its_sign():
    net = nn.Linear(1, 2, bias=False).double()
    nn.init.ones_(net.weight)
    # Classes equally likely: gradients -x/2 and x/2, that is ±.5 and then ±.5 with x = -1.
    value = zico(net, torch.tensor([[1.0], [-1.0]]).double(), torch.tensor([0, 0]))
    assert value == pytest.approx(math.log(0.5 / 0.5 + 0.5 / 0.5))


def test_what_does_not_differ_is_left_out():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.same, self.varied = nn.Linear(1, 2, bias=False), nn.Linear(2, 2, bias=False)

        def forward(self, x):
            return self.same(torch.ones_like(x[:, :1])) + self.varied(x)

    net = Net()
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    # The first column's inputs are equal, the second's 1 and 3: gradients ±.5 and ±1.5.
    value = zico(net, torch.tensor([[4.0, 1.0], [4.0, 3.0]]), torch.tensor([0, 0]))
    assert value == pytest.approx(math.log(2 * 1.0 / 0.5), rel=1e-6)


def test_batches_that_are_equal_or_not_finite_leave_it_undefined():
    net, y = nn.Linear(2, 2), torch.tensor([0, 0])
    assert math.isnan(zico(net, torch.ones(2, 2), y))
    assert math.isnan(zico(net, torch.tensor([[1.0, 2.0], [math.nan, 1.0]]), y))
    assert evaluate(net, torch.ones(2, 2), "zico", labels=y).outcome.value == "nonfinite"


@pytest.mark.parametrize(("n", "batches"), [(1, 2), (4, 1), (2, 3)])
def test_one_batch_is_none_to_compare(n, batches):
    with pytest.raises(ConfigError, match="compares batches"):
        zico(nn.Linear(2, 2), torch.randn(n, 2), torch.zeros(n).long(), batches=batches)
