"""The choice of constants, on networks that are known to underflow or overflow."""

import functools
import math
import random

import pytest
import torch
from torch import nn

from nascout.errors import ConfigError, UnsupportedNetwork
from nascout.network import build
from nascout.score.epsilon import epsilon
from nascout.score.epsilon_constants import choose_constants
from nascout.score.epsilon_rnn import epsilon_rnn
from nascout.space.nasbench201 import NasBench201

X = torch.tensor([[0.25], [0.5], [1.0]])


def deep(layers):
    """Its output is w to the power of ``layers``, times x: in float32 from 1e-45 to 3e38."""
    return nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(layers)))


def test_the_small_constant_goes_up_where_it_underflows():
    """w² is 0 below 1e-23; at 1e-22, two of the three outputs are still apart."""
    found = choose_constants([deep(1), deep(2)], X, start=(1e-25, 1.0))
    assert found.constants == (1e-22, 1.0)
    assert [step.constants[0] for step in found.steps] == [1e-25, 1e-24, 1e-23, 1e-22]
    assert [step.undefined for step in found.steps] == [0.5, 0.5, 0.5, 0]
    assert [step.at_low for step in found.steps] == [0.5, 0.5, 0.5, 0]
    assert {step.at_high for step in found.steps} == {0}


def test_the_large_constant_goes_down_where_it_overflows():
    """w² is infinite above 1.8e19."""
    found = choose_constants([deep(1), deep(2)], X, start=(1e-3, 1e21))
    assert found.constants == (1e-3, 1e19)
    assert [step.at_high for step in found.steps] == [0.5, 0.5, 0]
    assert {step.at_low for step in found.steps} == {0}


def test_each_side_in_turn():
    """Two of three underflow until 1e-22; of the two that overflow above 1e19, one is another."""
    found = choose_constants([deep(2), deep(2), Square()], X, start=(1e-24, 1e20))
    pairs = [(1e-24, 1e20), (1e-24, 1e19), (1e-23, 1e19), (1e-22, 1e19)]
    assert [step.constants for step in found.steps] == pairs
    assert [round(3 * step.at_low) for step in found.steps] == [2, 2, 2, 0]
    assert [round(3 * step.at_high) for step in found.steps] == [3, 0, 0, 0]


class Square(nn.Module):
    """(1 + w)² x: overflows as w² does, and does not underflow."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * (1 + self.weight) ** 2


def test_fewer_than_a_tenth_is_not_a_tenth():
    start = (1e-22, 1.0)
    nine = choose_constants([deep(2), *[deep(1)] * 10], X, start=(1e-24, 1.0))
    assert nine.constants == (1e-24, 1.0) and nine.steps[0].undefined == 1 / 11
    ten = choose_constants([deep(2), *[deep(1)] * 9], X, start=(1e-24, 1.0))
    assert ten.steps[0].undefined == 0.1 and ten.constants == start


def test_the_metric_and_its_precision_are_the_callers():
    double = functools.partial(epsilon, dtype=torch.float64)
    found = choose_constants([deep(2)], X, start=(1e-30, 1.0), metric=double)
    assert found.constants == (1e-30, 1.0) and len(found.steps) == 1
    rnn, x = nn.RNN(1, 2, batch_first=True), X.unsqueeze(1)
    found = choose_constants([rnn], x, start=(1e-5, 1e3), metric=epsilon_rnn)
    assert found.steps[0].at_high == 1 > found.steps[-1].at_high  # tanh(250) is tanh(1000)
    assert math.isfinite(epsilon_rnn(rnn, x, constants=found.constants))


@pytest.mark.slow
def test_on_a_space_the_shares_are_those_of_the_metric():
    space = NasBench201(channels=4, cells=1, classes=1, input_shape=(3, 8, 8))
    x = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = choose_constants(space, x, count=20, seed=3)
    rng = random.Random(3)
    nets = [build(space.sample(rng)) for _ in range(20)]
    assert choose_constants(nets, x) == found
    for step in found.steps:
        scores = [epsilon(net, x, constants=step.constants) for net in nets]
        assert step.undefined == sum(map(math.isnan, scores)) / 20
    *refused, last = found.steps
    assert refused and all(step.undefined >= 0.1 for step in refused) and last.undefined < 0.1
    assert found.constants == last.constants


def test_where_nothing_helps_it_says_what_was_seen():
    with pytest.raises(UnsupportedNetwork, match=r"\(1e-07, 1\.0\) leave 100%"):
        choose_constants([deep(1)], torch.ones(4, 1))
    with pytest.raises(ConfigError, match="0 networks"):
        choose_constants([], X)
    for start in ((1.0, 1.0), (0.0, 1.0), (1.0, 0.1)):
        with pytest.raises(ConfigError, match="growing positive"):
            choose_constants([deep(1)], X, start=start)
