"""The entropy of the last layer's spectrum."""

import math

import pytest
import torch
from scipy.stats import entropy as scipy_entropy
from torch import nn

from nascout.score.diversity import diversity, entropy


def test_entropy_is_scipys():
    spectrum = torch.rand(9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert entropy(spectrum) == pytest.approx(scipy_entropy(spectrum.numpy()))
    assert entropy(torch.zeros(0)) == 0
    assert math.isnan(entropy(torch.tensor([math.nan])))


def test_only_the_last_layer_counts():
    """Six independent channels, then two."""
    net = nn.Sequential(*(nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 2, 1, bias=False), nn.Tanh()))
    net[2].weight.data = torch.eye(6)[:2, :, None, None]
    assert diversity(net, torch.zeros(1, 3, 64, 64)) <= math.log(2)
    net[2].weight.data = torch.eye(6)[[0, 0], :, None, None]  # one channel, twice
    assert diversity(net, torch.zeros(1, 3, 64, 64)) == pytest.approx(0, abs=1e-5)
