"""Networks that the unit graph cannot read are refused by name."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.errors import UnsupportedNetwork
from nascout.score.nasgraph import nasgraph


@pytest.mark.parametrize(
    ("net", "shape", "name"),
    [
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8), "multi_head_attention"),
        (nn.LSTM(8, 4, batch_first=True), (5, 8), "lstm"),
        (nn.ConvTranspose2d(3, 4, 2), (3, 8, 8), "conv_transpose2d"),
        (nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2)), (5, 8), "linear"),
    ],
    ids=["transformer", "lstm", "transposed", "tokens"],
)
def test_what_it_cannot_read_it_names(net, shape, name):
    with pytest.raises(UnsupportedNetwork, match=f"through {name}.*It knows convolutions"):
        nasgraph(net, torch.zeros(2, *shape))


def test_tokens_are_refused():
    net = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(UnsupportedNetwork, match="through embedding"):
        nasgraph(net, torch.zeros(2, 3, dtype=torch.long))


def test_a_module_needs_the_size_of_its_input():
    with pytest.raises(UnsupportedNetwork, match="Pass a batch x"):
        nasgraph(nn.Conv2d(1, 1, 1))


def part_of_zeros(x):
    zeros = torch.zeros(2, 4, 6, 6)
    zeros[:, 1:] = x[:, 1:]
    return zeros


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: x.mean(1, keepdim=True), "mixes channels"),
        (lambda x: x.reshape(-1, 2, 6, 6), "moved into the batch"),
        (lambda x: F.conv2d(x, x[:1, :, :1, :1]), "several tensors"),
        (lambda x: F.pad(x, (1, 1), value=3.0), "pads with 3.0"),
        (lambda x: torch.zeros(2, 4, 6, 6).copy_(x), "no meaning"),
        (part_of_zeros, "through setitem"),
        (lambda x: x[:, :2].add_(x[:, 2:]), "in place"),
    ],
    ids=["mean", "batch", "dynamic", "pad", "copy", "setitem", "view"],
)
def test_what_cannot_be_followed_is_refused(function, why):
    class Strange(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x):
            y = function(self.conv(x))
            return F.conv2d(y, torch.ones(2, y.shape[1], 1, 1))

    with pytest.raises(UnsupportedNetwork, match=why):
        nasgraph(Strange(), torch.zeros(1, 4, 6, 6))


def test_an_output_that_does_not_depend_on_the_input_is_refused():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.zeros_like(x)

    with pytest.raises(UnsupportedNetwork, match="follow the input to an output"):
        nasgraph(Constant(), torch.zeros(1, 3))
