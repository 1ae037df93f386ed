"""The NTK: closed forms, and gradients by finite differences."""

import math

import pytest
import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.score.evaluate import evaluate
from nascout.score.ntk import condition_number, ntk, tangent_kernel


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def batch(n, *shape):
    return torch.randn((n, *shape), generator=torch.Generator().manual_seed(0)).double()


def test_of_a_linear_layer_it_is_the_gram_matrix_of_the_inputs():
    """Each of three outputs has x as its gradient; the bias does not count."""
    x = batch(4, 6)
    net = nn.Linear(6, 3).double()
    assert torch.allclose(tangent_kernel(net, x), 3 * x @ x.T, rtol=1e-12)
    singular = torch.linalg.svdvals(x)
    assert ntk(net, x) == pytest.approx(float(singular[0] / singular[-1]) ** 2, rel=1e-9)


def by_differences(net, x, names):
    """J column by column: what a small step of one weight does to every sample's sum."""
    net.train()
    columns = []
    for name in names:
        entries = net.get_parameter(name).data.flatten()  # a view
        for k, value in enumerate(entries.tolist()):
            ends = []
            for step in (1e-5, -1e-5):
                entries[k] = value + step
                ends.append(net(x).detach().flatten(1).sum(1))
            entries[k] = value
            columns.append((ends[0] - ends[1]) / 2e-5)
    rows = torch.stack(columns, 1)
    return rows @ rows.T


def test_weights_and_scales_count_through_batch_statistics():
    net = nn.Sequential(
        *(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Tanh()),
        *(nn.Flatten(), nn.Linear(12, 4)),
    ).double()
    x = batch(5, 2, 4, 4)
    expected = by_differences(net, x, ["0.weight", "1.weight", "4.weight"])
    assert torch.allclose(tangent_kernel(net.eval(), x), expected, rtol=1e-6)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.rnn, self.out = nn.Embedding(9, 4), nn.GRU(4, 3), nn.Linear(3, 2)
        self.unused = nn.Linear(3, 3)

    def forward(self, ids):
        return self.out(self.rnn(self.embed(ids).transpose(0, 1))[0][-1])


def test_recurrent_weights_count_and_unused_ones_do_not_matter():
    net, ids = Recurrent().double(), torch.arange(12).reshape(4, 3) % 9
    expected = by_differences(net, ids, ["rnn.weight_ih_l0", "rnn.weight_hh_l0", "out.weight"])
    assert torch.allclose(tangent_kernel(net.requires_grad_(False), ids), expected, rtol=1e-6)


def test_equal_samples_make_it_infinite_and_an_outcome():
    x = torch.ones(3, 4)
    assert ntk(nn.Linear(4, 2), x) == math.inf
    assert evaluate(nn.Linear(4, 2), x, "ntk").outcome == "nonfinite"


def test_more_samples_than_weights_make_it_infinite():
    """Rank at most four: rounding must not make a finite number of it."""
    assert ntk(nn.Linear(4, 1).double(), batch(7, 4)) == math.inf


def test_condition_numbers_by_hand():
    kernel = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)  # 1 and 3
    assert condition_number(kernel) == pytest.approx(3, rel=1e-12)
    assert condition_number(kernel * 0) == math.inf
    assert math.isnan(condition_number(kernel * math.nan))


def test_a_network_may_begin_in_place():
    x = batch(3, 5) + 9
    net = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(5, 1)).double()
    assert torch.allclose(tangent_kernel(net, x), x @ x.T, rtol=1e-12)


@pytest.mark.parametrize("net", [nn.Flatten(), nn.Sequential(nn.ReLU(), nn.Flatten())])
def test_without_weights_it_is_refused(net):
    with pytest.raises(UnsupportedNetwork, match="depends on no weight"):
        ntk(net, batch(3, 5))
