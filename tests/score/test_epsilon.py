"""The epsilon metric: closed forms, and what a foreign network may look like."""

import math

import pytest
import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.score.epsilon import epsilon, epsilon_of_outputs
from nascout.score.evaluate import evaluate


def batch(n=6, *shape):
    return torch.randn((n, *(shape or (5,))), generator=torch.Generator().manual_seed(0))


def test_the_worked_example():
    """0 → NaN, .5, 1 against 0 → NaN, .25, 1: .125 / .6875."""
    low, high = torch.tensor([2.0, 3.0, 4.0]), torch.tensor([10.0, 11.0, 14.0])
    assert epsilon_of_outputs(low, high) == pytest.approx(2 / 11, rel=1e-6)


def test_a_zero_in_one_vector_only_leaves_its_pair_out_of_the_difference():
    """Normalised: (nan, .5, 1) and (1, .5, nan) → |Δ| = {0}, all = {.5, 1, 1, .5}."""
    assert epsilon_of_outputs(torch.tensor([0.0, 1, 2]), torch.tensor([2.0, 1, 0])) == 0.0


def test_constant_outputs_are_not_a_number_and_an_outcome():
    assert math.isnan(epsilon_of_outputs(torch.ones(4), torch.arange(4.0)))
    score = evaluate(nn.Linear(5, 1), torch.ones(4, 5), "epsilon")
    assert score.outcome == "nonfinite" and math.isnan(score.value)


def by_hand(x, constants):
    """x → linear(4) → relu → + x.sum → linear(1), every weight w, every bias 0."""
    outputs = []
    for w in constants:
        row = x.double().sum(1)
        z = torch.relu(w * row)  # each of four equal units
        outputs.append(w * (4 * z) + row)
    low, high = [(o - o.min()) / (o.max() - o.min()) for o in outputs]
    low[low == 0], high[high == 0] = math.nan, math.nan
    return float((low - high).abs().nanmean() / torch.cat([low, high]).nanmean())


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x):
        return {"logits": (self.b(torch.relu(self.a(x))) + x.sum(1, keepdim=True), x)}


@pytest.mark.parametrize("constants", [(1e-7, 1.0), (0.1, 2.0)])
def test_against_the_formula_written_out(constants):
    x = batch()
    expected = by_hand(x, constants)
    assert epsilon(Residual(), x, constants=constants) == pytest.approx(expected, rel=1e-5)
    double = epsilon(Residual(), x, constants=constants, dtype=torch.float64)
    assert double == pytest.approx(expected, rel=1e-12)


def test_it_does_not_depend_on_the_weights():
    x = batch()
    assert len({epsilon(Residual(), x) for _ in range(3)}) == 1


@pytest.mark.parametrize("train", [True, False])
def test_batch_or_running_statistics(train):
    """One linear layer and BN with weight w: (x·w - mean) / std · w, affine in x: ε is 0."""
    net = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    assert epsilon(net, batch(), constants=(0.5, 1.0), train=train) == pytest.approx(0, abs=1e-5)
    assert net[1].num_batches_tracked == 0


def test_bfloat16_and_frozen():
    net = Residual().to(torch.bfloat16).requires_grad_(False)
    assert epsilon(net, batch()) == pytest.approx(by_hand(batch(), (1e-7, 1.0)), abs=0.05)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean()


class Nothing(nn.Module):
    def forward(self, x):
        return {"note": "text"}


@pytest.mark.parametrize("net", [Mean(), Nothing()])
def test_a_network_without_one_output_per_sample_is_refused(net):
    with pytest.raises(UnsupportedNetwork, match="one output per sample"):
        epsilon(net, batch())
