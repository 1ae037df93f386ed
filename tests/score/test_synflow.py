import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.errors import UnsupportedNetwork
from nascout.network import build
from nascout.score.evaluate import evaluate
from nascout.score.synflow import synflow
from nascout.space.nasbench201 import NasBench201


def test_of_a_linear_network_it_is_the_product_of_absolute_matrices_once_per_layer():
    torch.manual_seed(0)
    layers = [nn.Linear(3, 5, bias=False), nn.Linear(5, 2, bias=False), nn.Linear(2, 4, bias=False)]
    first, second, third = (layer.weight.detach().double().abs() for layer in layers)
    expected = 3 * float((third @ second @ first).sum())
    assert synflow(nn.Sequential(*layers), torch.randn(7, 3)) == pytest.approx(expected, rel=1e-12)


def test_paths_from_a_bias_count_by_the_weights_after_it():
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
    for parameter, value in zip(net.parameters(), (-2.0, -3.0, 5.0, -7.0), strict=True):
        parameter.data.fill_(value)
    # 5 · 2 with two weights, 5 · 3 with one, and 7 with none.
    assert synflow(net, torch.zeros(1, 1)) == 2 * 10 + 15


NORMALISATIONS = {
    "batch": (nn.BatchNorm2d(4), lambda x: F.batch_norm(x, None, None, training=True)),
    "layer": (nn.LayerNorm((6, 6)), lambda x: F.layer_norm(x, (6, 6))),
    "group": (nn.GroupNorm(2, 4), lambda x: F.group_norm(input=x, num_groups=2)),
    "instance": (nn.InstanceNorm2d(4, affine=True), F.instance_norm),
    "RMS": (nn.RMSNorm(6), lambda x: F.rms_norm(x, (6,))),
    "torch": (nn.BatchNorm2d(4), lambda x: torch.group_norm(x, 2)),
}


class Residual(nn.Module):
    """Overwrites what the normalisation gives, and uses its input again."""

    def __init__(self, normalisation):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
        self.normalisation = normalisation

    def forward(self, x):
        x = self.first(x)
        x = x + self.normalisation(x).mul_(2)
        return self.last(x.mean((2, 3)))


@pytest.mark.parametrize("kind", NORMALISATIONS)
@pytest.mark.parametrize("form", ["module", "function"])
def test_normalisations_pass_their_input_on(kind, form):
    normalisation = NORMALISATIONS[kind][form == "function"]
    torch.manual_seed(0)
    net, plain = Residual(normalisation), Residual(torch.clone)
    for target in (net, plain):
        target.first.load_state_dict(net.first.state_dict())
        target.last.load_state_dict(net.last.state_dict())
    x = torch.randn(2, 3, 8, 8)
    assert synflow(net, x) == synflow(plain, x)
    assert synflow(net, x, bn=True) != synflow(net, x)


def test_negative_and_frozen_weights_count_and_statistics_do_not():
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1), nn.Dropout(0.9))
    net[0].weight.data.fill_(-3)
    net[1].running_mean.fill_(-5)
    assert synflow(net.requires_grad_(False), torch.zeros(1, 1, 2, 2)) == 3 * 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_it_is_computed_in_float64(dtype):
    net = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(30))).to(dtype)
    for layer in net:
        layer.weight.data.fill_(-256)
    assert synflow(net, torch.zeros(1, 1, dtype=dtype)) == 30 * 256.0**30


def test_an_overflow_is_an_outcome():
    net = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(30)))
    for layer in net:
        layer.weight.data.fill_(1e30)
    assert not math.isfinite(synflow(net, torch.zeros(1, 1)))
    assert evaluate(net, torch.zeros(1, 1), "synflow").outcome.value == "nonfinite"


def test_the_batch_tells_sizes_only():
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.LazyLinear(4))
    x = torch.randn(5, 2, 6, 6)
    net(x)
    assert synflow(net, x) == synflow(net, torch.full((1, 2, 6, 6), math.nan))


def test_a_network_of_a_graph_knows_its_sizes():
    space = NasBench201(channels=4, cells=1, classes=4, input_shape=(3, 8, 8))
    net = build(space.decode([0.0] * 30))
    assert synflow(net) == synflow(net, torch.randn(4, 3, 8, 8))
    with pytest.raises(UnsupportedNetwork, match="Pass x"):
        synflow(nn.Sequential(net))


def test_tokens_keep_their_values():
    embedding, head = nn.Embedding(3, 2), nn.Linear(2, 1, bias=False)
    embedding.weight.data = torch.tensor([[9.0, 9.0], [1.0, -2.0], [-3.0, 4.0]])
    head.weight.data = torch.tensor([[10.0, -1.0]])

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.head = embedding, head

        def forward(self, tokens, offset):
            return {"logits": self.head(self.embedding(tokens).sum(1) + offset)}

    tokens, offset = torch.tensor([[1, 2], [0, 0]]), torch.tensor([[7.0], [8.0]])
    # (1 + 3 + 1) · 10 and (2 + 4 + 1) · 1: the offset is a one, the embedding no weight.
    assert synflow(Tokens(), (tokens, offset)) == 57
    assert synflow(Tokens(), {"offset": offset, "tokens": tokens}) == 57


def test_without_weights_it_says_so():
    with pytest.raises(UnsupportedNetwork, match="no weight"):
        synflow(nn.BatchNorm1d(3), torch.ones(2, 3))
