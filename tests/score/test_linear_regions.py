"""Linear regions: patterns counted by hand, by hooks, and in chunks."""

import math

import pytest
import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.score.linear_regions import linear_regions


def batch(n, *shape):
    return torch.randn((n, *shape), generator=torch.Generator().manual_seed(0))


def test_a_line_cut_by_two_relus_has_three_regions():
    """relu(x) and relu(x - 1): x < 0, 0 < x < 1 and x > 1. Their boundaries count as inactive."""
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    net[0].weight.data.fill_(1)
    net[0].bias.data.copy_(torch.tensor([0.0, -1.0]))
    x = torch.tensor([-3.0, -1, 0, 0.2, 0.9, 1, 1.5, 70])[:, None]
    assert linear_regions(net, x) == 3
    assert linear_regions(net, x[:3]) == 1


def test_three_lines_in_general_position_cut_the_plane_into_seven():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    net[0].weight.data.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1]]))
    net[0].bias.data.copy_(torch.tensor([0.0, 0, -1]))
    assert linear_regions(net, 4 * batch(2000, 2)) == 7


def test_relus_of_all_layers_count_together():
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU()),
        nn.Linear(3, 1),
    )
    x, codes = batch(200, 2), []
    for relu in (net[1], net[4]):
        relu.register_forward_pre_hook(lambda _, z: codes.append(z[0] > 0))
    score = linear_regions(net, x)
    both = {tuple(row) for row in torch.cat(codes, 1).tolist()}
    assert score == len(both) > len({tuple(row) for row in codes[0].tolist()})


def test_regions_are_counted_over_all_chunks():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    x = batch(100, 2)
    assert linear_regions(net, x, chunk=7) == linear_regions(net, x, chunk=100) <= 7


def test_without_relus_it_is_refused():
    with pytest.raises(UnsupportedNetwork, match="no ReLU"):
        linear_regions(nn.Linear(2, 1), batch(3, 2))


def test_undefined_activations_have_no_regions():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    net[0].bias.data[1] = math.nan
    assert math.isnan(linear_regions(net, batch(10, 2)))
