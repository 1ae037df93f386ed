"""The Zen-score and its features: closed forms, and a plain version by hooks."""

import math

import pytest
import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.network import build
from nascout.score.evaluate import evaluate
from nascout.score.zen import zen
from nascout.space.nasbench201 import NasBench201

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_3x3~2|"


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def batch(n, *shape, seed=0):
    return torch.randn((n, *shape), generator=torch.Generator().manual_seed(seed))


def test_a_linear_map_carries_the_change_itself():
    """f(x) = w x, so |f(x) - f(x + .01 e)| = .01 |w e|, summed over the map."""
    net = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1)).double()
    x, e = batch(5, 1, 4, 4).double(), batch(5, 1, 4, 4, seed=1).double()
    change = 0.01 * net[0].weight.detach().abs().sum() * e.abs().sum((1, 2, 3)).mean()
    assert zen(net, inputs=(x, e)) == pytest.approx(math.log(change), rel=1e-6)
    assert zen(net, inputs=(x, e), gamma=1.0) == pytest.approx(math.log(100 * change), rel=1e-6)


def test_the_running_variance_is_that_of_two_passes():
    net = nn.Sequential(nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1)).double()
    net[0].running_var.fill_(77)  # an earlier life does not count
    x, e = batch(5, 3, 4, 4).double(), batch(5, 3, 4, 4, seed=1).double()
    moved = x + 0.01 * e
    v, w = (z.var((0, 2, 3)) for z in (x, moved))
    out = [nn.functional.batch_norm(z, None, None, training=True) for z in (x, moved)]
    distance = (out[0] - out[1]).abs().sum((1, 2, 3)).mean().log()
    deviation = (0.81 + 0.09 * v + 0.1 * w).mean().sqrt().log()
    assert zen(net, inputs=(x, e)) == pytest.approx(float(distance + deviation), rel=1e-9)
    assert float(net[0].running_var[0]) == 77


def test_weights_are_drawn_so_the_networks_own_do_not_matter():
    net, x = build(NasBench201(channels=4, cells=1, input_shape=(3, 8, 8)).parse(CELL), 0), None
    other = build(NasBench201(channels=4, cells=1, input_shape=(3, 8, 8)).parse(CELL), 1)
    assert zen(net, x, repeats=2) == zen(other, x, repeats=2)
    assert zen(net, x, repeats=2) == zen(net, batch(3, 3, 8, 8), repeats=2)
    assert zen(net, x, repeats=2) != zen(net, x, repeats=2, seed=1)


def test_what_is_drawn_is_standard_normal():
    """Of f(x) = w x with k inputs and m outputs, E |w e| = m sqrt(k) 2 / pi per position, nearly:

    w e is about normal with variance k, of which the mean absolute value is sqrt(2 k / pi).
    """
    k, m = 400, 100
    net = nn.Sequential(nn.Conv2d(k, m, 1), nn.AdaptiveAvgPool2d(1)).requires_grad_(False)
    net[0].bias.fill_(1e9)  # set to zero, or nothing would be left of a change
    expected = math.log(0.01 * m * 4 * math.sqrt(2 * k / math.pi))
    value = zen(net, torch.zeros(1, k, 2, 2), repeats=4)
    assert value == pytest.approx(expected, abs=0.05)


def test_repeats_are_averaged_and_the_statistics_run_on():
    net = nn.Sequential(nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1)).double()
    generator, variance, values = torch.Generator().manual_seed(5), torch.ones(3).double(), []
    for _ in range(3):
        x, e = (torch.randn((4, 3, 6, 6), generator=generator).double() for _ in range(2))
        passes = x, x + 0.01 * e
        a, b = (nn.functional.batch_norm(z, None, None, training=True) for z in passes)
        for z in passes:
            variance = 0.9 * variance + 0.1 * z.var((0, 2, 3))
        values.append((a - b).abs().sum((1, 2, 3)).mean().log() + variance.mean().sqrt().log())
    score = zen(net, torch.zeros(9, 3, 6, 6).double(), repeats=3, batch=4, seed=5)
    assert score == pytest.approx(float(sum(values)) / 3, rel=1e-9)


def test_a_graph_held_by_the_caller_stays_valid():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1))
    x = batch(4, 1, 3, 3)
    loss = net(x).square().sum()
    zen(net, x, repeats=2)
    loss.backward()
    assert net[0].weight.grad is not None


def test_several_inputs():
    class Two(nn.Module):
        def forward(self, a, b):
            return (a + b).mean((2, 3))

    a, b = batch(3, 2, 4, 4).double(), batch(3, 2, 4, 4, seed=1).double()
    expected = math.log(0.01 * float((a + b).abs().sum((1, 2, 3)).mean()))
    assert zen(Two(), inputs=((b, a), (a, b))) == pytest.approx(expected, rel=1e-6)
    named = {"b": a, "a": b}, {"b": b, "a": a}
    assert zen(Two(), inputs=named) == pytest.approx(expected, rel=1e-6)


def test_a_deep_network_without_normalisation_overflows_to_an_outcome():
    """Each layer multiplies by about eight, and 8^60 is beyond float32."""
    net = nn.Sequential(*[nn.Linear(64, 64, bias=False)] * 60, nn.Linear(64, 1))
    assert evaluate(net, torch.zeros(1, 64), "zen").outcome == "nonfinite"


def test_a_foreign_network_needs_a_batch():
    with pytest.raises(UnsupportedNetwork, match="input's size"):
        zen(nn.Linear(3, 2))


def test_tokens_are_refused():
    net = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2))
    with pytest.raises(UnsupportedNetwork, match="behind the embedding"):
        zen(net, torch.zeros(2, 4, dtype=torch.long))
