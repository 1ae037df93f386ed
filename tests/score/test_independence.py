"""Channels that vary on their own."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.network import build
from nascout.score.card import DEFAULT, SCORES
from nascout.score.independence import independence, independent_channels, spectrum
from nascout.space.nasbench201 import NasBench201

NOISE = torch.randn(20000, 6, generator=torch.Generator().manual_seed(0))


def mixed(*rows):
    """Channels that are the given mixtures of independent ones."""
    return NOISE[:, : len(rows[0])] @ torch.tensor(rows).T


def channels(z):
    return independent_channels(spectrum(z))


def test_independent_channels_count_each():
    """The smallest eigenvalue of a sample correlation is 1 - 2 sqrt(c / n), to first order."""
    assert channels(NOISE) == pytest.approx(6, rel=3 * math.sqrt(6 / 20000))


def test_two_correlated_channels_have_eigenvalues_one_plus_and_minus_the_correlation():
    z = mixed([1.0, 0.0], [0.6, 0.8])  # correlation .6: eigenvalues 1.6 and .4, mean 1
    assert channels(z) == pytest.approx(2 * 0.4, rel=0.03)


def test_copies_and_mixtures_add_nothing():
    """Rank 2 in three channels; eigenvalues of the correlation 1, 1/√2: 1 ± 1 and 1; mean 3/2."""
    z = mixed([1.0, 0.0], [0.0, 1.0], [1.0, 1.0])
    assert channels(z) == pytest.approx(2 * 1 / 1.5, rel=0.03)
    assert channels(NOISE[:, [0, 0, 1, 1]]) == pytest.approx(2, rel=0.03)


def test_scale_and_shift_of_channels_do_not_count():
    scaled = NOISE * torch.tensor([1e-3, 1, 10, 100, 1e3, 1]) + torch.arange(6.0)
    assert channels(scaled) == pytest.approx(channels(NOISE), rel=1e-4)


def test_constant_channels_are_none():
    z = torch.cat((NOISE[:, :2], torch.full((20000, 3), 0.1)), 1)
    assert channels(z) == pytest.approx(channels(NOISE[:, :2]), rel=1e-6)
    assert channels(torch.full((10, 3), 0.1)) == 0


def test_what_is_not_finite_is_said():
    z = NOISE.clone()
    z[0, 0] = math.inf
    assert math.isnan(channels(z))


def test_the_rank_is_at_most_that_of_the_observations():
    """Six observations, centred: rank 5 of many channels."""
    found = spectrum(torch.randn(6, 50, generator=torch.Generator().manual_seed(0)))
    assert (found > 1e-4 * found[-1]).sum() == 5
    assert found.sum() == pytest.approx(50)


def test_gates_are_left_out():
    """Squeeze and excitation adds nothing of its own to a network of images."""

    class Gated(nn.Module):
        def forward(self, x):
            return F.relu(x) * x.mean((2, 3), keepdim=True).sigmoid()

    x = torch.zeros(1, 3, 64, 64)
    assert independence(Gated(), x) == independence(nn.Sequential(nn.ReLU()), x)
    assert independence(nn.ReLU(), torch.zeros(1, 3)) > 2  # nothing else there


class Two(nn.Module):
    """The same four channels, last or second."""

    def __init__(self, last):
        super().__init__()
        self.last = last
        self.weight = nn.Parameter(torch.eye(2).repeat(2, 1))

    def forward(self, x):
        if self.last:
            return F.gelu(F.linear(x.movedim(1, -1), self.weight)).movedim(-1, 1)
        return F.gelu(F.conv2d(x, self.weight[:, :, None, None]))


def test_channels_are_where_the_last_layer_put_them():
    x = torch.zeros(1, 2, 16, 16)
    assert independence(Two(last=True), x) == pytest.approx(independence(Two(last=False), x))


def test_every_layer_adds_its_own():
    """ReLU of independent channels is independent: two layers of three channels."""
    net = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU(), nn.Dropout(0.0), nn.ReLU())
    net[0].weight.data = torch.eye(3)[:, :, None, None]
    assert independence(net, torch.zeros(1, 3, 64, 64)) == pytest.approx(6, rel=0.1)


def test_a_layer_that_nothing_depends_on_adds_nothing():
    class Dead(nn.Module):
        def forward(self, x):
            F.relu(-x)
            return F.relu(x)

    x = torch.zeros(1, 3, 64, 64)
    assert independence(Dead(), x) == independence(nn.Sequential(nn.ReLU()), x)


def test_a_cell_without_a_path_is_the_worst():
    space = NasBench201(channels=4, cells=1, input_shape=(3, 16, 16))
    dead = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    poor = "|none~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|none~2|"
    good = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
    values = [independence(build(space.parse(cell))) for cell in (dead, poor, good)]
    assert values == sorted(values)
    assert values[0] < values[1]


def test_it_is_the_default():
    assert SCORES[DEFAULT].function is independence
    assert SCORES[DEFAULT].needs == "network"
