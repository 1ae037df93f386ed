"""Features are found in whatever way a network pools."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.errors import UnsupportedNetwork
from nascout.score.features import features


def batch(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


class Pooled(nn.Module):
    """The map is the input minus one."""

    def __init__(self, pool):
        super().__init__()
        self.pool, self.head = pool, nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.pool(x - 1).flatten(1))


@pytest.mark.parametrize(
    "pool",
    [
        *(nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d((1, 1)), nn.AvgPool2d(8)),
        *(lambda z: z.mean((2, 3)), lambda z: z.mean([-1, -2]), lambda z: z.mean((-2, -1), True)),
        *(lambda z: torch.mean(z, (2, 3)), lambda z: torch.mean(input=z, dim=(2, 3))),
        *(lambda z: F.avg_pool2d(z, z.shape[2:]), lambda z: z.flatten(2).mean(2).view(-1, 6)),
    ],
)
def test_every_way_of_pooling(pool):
    x = batch(4, 6, 8, 8)
    assert torch.equal(features(Pooled(pool), x).map.view_as(x), x - 1)


class SqueezeExcite(nn.Module):
    """Pools to weigh channels, then goes on with the map."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(6, 6)

    def forward(self, x):
        return x * self.gate(x.mean((2, 3)))[:, :, None, None].sigmoid()


def test_the_last_pooling_counts():
    net, x = nn.Sequential(SqueezeExcite(), nn.AdaptiveAvgPool2d(1)), batch(4, 6, 8, 8)
    assert torch.equal(features(net, x).map, net[0](x))


def test_without_pooling_the_input_of_the_last_linear_layer():
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)
    norm, x = nn.LayerNorm(8), batch(4, 5, 8)
    net = nn.Sequential(layer, norm, nn.Linear(8, 3))
    seen = features(net, x)
    assert torch.equal(seen.map, norm(layer(x))) and not seen.running_variances


def test_the_mean_of_a_hand_written_normalisation_is_no_pooling():
    class RMSNorm(nn.Module):
        def forward(self, x):
            return x / x.square().mean(-1, keepdim=True).sqrt()

    net, x = nn.Sequential(RMSNorm(), nn.Linear(8, 3)), batch(4, 5, 8)
    assert torch.equal(features(net, x).map, net[0](x))


def test_variances_count_once_and_only_before_the_pooling():
    norm, last = nn.BatchNorm2d(6), nn.BatchNorm1d(6)
    net = nn.Sequential(norm, nn.ReLU(), norm, nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)
    (variance,) = features(net, batch(4, 6, 8, 8)).running_variances
    assert variance is norm.running_var


def test_a_normalisation_without_running_statistics_is_refused():
    net = nn.Sequential(nn.BatchNorm2d(6, track_running_stats=False), nn.AdaptiveAvgPool2d(1))
    with pytest.raises(UnsupportedNetwork, match="track_running_stats"):
        features(net, batch(4, 6, 8, 8))


def test_a_network_without_either_is_refused():
    with pytest.raises(UnsupportedNetwork, match="no features"):
        features(nn.Conv2d(6, 6, 1), batch(4, 6, 8, 8))
