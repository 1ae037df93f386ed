"""Epsilon with kernels whole and cut to their centre: scipy's convolution, and closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from torch import nn
from torch.nn import functional as F

import nascout
from nascout.errors import UnsupportedNetwork
from nascout.score.epsilon import epsilon
from nascout.score.epsilon_spatial import epsilon_spatial


def images(n=6, channels=3, side=5):
    return torch.randn((n, channels, side, side), generator=torch.Generator().manual_seed(0))


class Residual(nn.Module):
    """An unnormalised branch (3×3, ReLU, 1×1) beside a normalised one (3×3)."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d(3, 4, 3, padding=1)
        self.point = nn.Conv2d(4, 2, 1)
        self.normalised = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.BatchNorm2d(2))
        self.head = nn.Linear(2, 3)

    def forward(self, x):
        y = self.point(F.relu(self.wide(x))) + self.normalised(x)
        return self.head(F.relu(y).mean((2, 3)))


def by_scipy(x, w):
    """:class:`Residual` on one channel per tensor, since under constant weights all are equal."""
    x = x.double().numpy().sum(1)
    layers = []
    for kernel in (np.ones((3, 3)), np.eye(3)[:, [1]] * np.eye(3)[[1]]):
        wide = w * np.stack([convolve(image, kernel, mode="constant") for image in x])
        point = w * 4 * np.maximum(wide, 0)
        normalised = w * (wide - wide.mean()) / np.sqrt(wide.var() + 1e-5)
        head = w * 2 * np.maximum(point + normalised, 0).mean((1, 2))
        layers.append([t.reshape(len(x), -1).mean(1) for t in (wide, point, wide, head)])
    return sum(distance(a, b) for a, b in zip(*layers, strict=True))


def distance(a, b):
    a, b = [(t - t.min()) / (t.max() - t.min()) for t in (a, b)]
    a[a == 0], b[b == 0] = math.nan, math.nan
    return np.nanmean(abs(a - b)) / np.nanmean(np.concatenate([a, b]))


@pytest.mark.parametrize("constant", [1.0, 0.01])
def test_against_the_network_written_out(constant):
    expected = by_scipy(images(), constant)
    assert epsilon_spatial(Residual(), images(), constant=constant) == pytest.approx(expected)


def test_the_constant_matters_where_a_branch_has_no_normalisation():
    one, small = (epsilon_spatial(Residual(), images(), constant=w) for w in (1.0, 0.01))
    assert abs(one - small) > 0.001


def test_the_constant_only_scales_a_network_without_normalisation():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 1))
    values = [epsilon_spatial(net, images(), constant=w) for w in (0.5, 1.0, 4.0)]
    assert values[0] == pytest.approx(values[1]) == pytest.approx(values[2])


def test_it_does_not_depend_on_the_weights():
    assert len({epsilon_spatial(Residual(), images()) for _ in range(3)}) == 1


def test_images_without_detail_score_zero():
    """Unpadded, the nine equal neighbours give nine times the centre: the same once scaled."""
    flat = torch.arange(1.0, 7).view(6, 1, 1, 1).expand(6, 3, 5, 5)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 1))
    assert epsilon_spatial(net, flat) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("cell", ["nor_conv_3x3", "nor_conv_1x1"])
def test_a_number_where_every_path_has_a_convolution(cell):
    """There the paper's metric underflows."""
    space = nascout.space("nasbench201", channels=4, cells=1, input_shape=(3, 8, 8))
    text = f"|{cell}~0|+|{cell}~0|{cell}~1|+|{cell}~0|{cell}~1|{cell}~2|"
    net = nascout.build(space.parse(text))
    assert math.isnan(epsilon(net, images(8, side=8)))
    assert 0 < epsilon_spatial(net, images(8, side=8)) < math.inf


@pytest.mark.parametrize("train", [True, False])
def test_batch_or_running_statistics(train):
    """With running statistics 0 and 1 the normalisation scales; ReLU then sees no mean removed."""
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 1, 1))
    x = images()
    maps = []
    for part in (F.avg_pool2d(x.double().sum(1), 3, 1), x.double().sum(1)[:, 1:-1, 1:-1]):
        centred = part - part.mean() if train else part
        maps.append((part.mean((1, 2)).numpy(), centred.relu().mean((1, 2)).numpy()))
    expected = sum(distance(a, b) for a, b in zip(*maps, strict=True))
    assert epsilon_spatial(net, x, train=train) == pytest.approx(expected, rel=1e-5)
    assert net[1].num_batches_tracked == 0


class WithSilentLayer(nn.Sequential):
    """A layer more, whose output is the same for all samples."""

    def forward(self, x):
        self[0](torch.zeros_like(x))
        return super().forward(x)


def test_layers_that_see_no_difference_are_left_out():
    layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 1)
    expected = epsilon_spatial(nn.Sequential(*layers), images())
    assert epsilon_spatial(WithSilentLayer(*layers), images()) == expected
    assert math.isnan(epsilon_spatial(nn.Sequential(*layers), torch.ones(4, 3, 5, 5)))


def test_an_input_that_is_not_a_number_gives_none():
    x = images()
    x[0, 0, 0, 0] = math.nan
    assert math.isnan(epsilon_spatial(Residual(), x))


class ByName(nn.Module):
    def __init__(self, kernel):
        super().__init__()
        self.kernel = nn.Parameter(kernel)

    def forward(self, x):
        return F.conv2d(input=x, weight=self.kernel, padding=1)


def test_a_functional_kernel_given_by_name_is_cut():
    expected = epsilon_spatial(nn.Conv2d(3, 2, 3, padding=1), images())
    assert expected > 0.01
    assert epsilon_spatial(ByName(torch.zeros(2, 3, 3, 3)), images()) == expected


@pytest.mark.parametrize("net", [nn.Conv2d(3, 2, 1), nn.Sequential(nn.Flatten(), nn.Linear(75, 2))])
def test_nothing_to_cut_is_refused(net):
    with pytest.raises(UnsupportedNetwork, match="wider than 1"):
        epsilon_spatial(net, images())


class Deciding(nn.Module):
    """Calls its layer again if the output is large, as whole kernels make it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x):
        y = self.conv(x)
        return self.conv(y) if y.max() > 6 else y


def test_layers_that_depend_on_the_values_are_refused():
    x = torch.linspace(0.5, 1, 4).view(4, 1, 1, 1).expand(4, 3, 5, 5)
    with pytest.raises(UnsupportedNetwork, match="other layers"):
        epsilon_spatial(Deciding(), x)
