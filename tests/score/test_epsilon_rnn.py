"""The epsilon metric of recurrent networks, against the recurrence written out."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.network.recurrent_recipe import RecipeLanguageModel
from nascout.score.epsilon_rnn import epsilon_rnn
from nascout.testing.unchanged import Snapshot

TOKENS = torch.tensor([[1, 4, 2, 7], [3, 3, 0, 8], [5, 6, 1, 1]])


def drawn(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((9, 3), generator=generator, dtype=torch.float64).numpy()


def metric(low, high):
    scaled = [(p - p.min()) / (p.max() - p.min()) for p in (low, high)]
    low, high = (np.where(p == 0, np.nan, p) for p in scaled)
    return np.nanmean(np.abs(low - high)) / np.nanmean(np.concatenate([low, high]))


def outputs(w, embedding, layers, units=4, function=np.tanh):
    """Constant weights: a unit is w times the sum of what comes in, and all units are equal."""
    incoming = embedding[TOKENS.numpy()].sum(2)  # (n, t)
    for _ in range(layers):
        h, steps = np.zeros(len(incoming)), []
        for x in incoming.T:
            h = function(w * (x + units * h))
            steps.append(h)
        incoming = units * np.array(steps).T
    return (incoming / units).ravel()


class LanguageModel(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.embed = nn.Embedding(9, 3)
        self.rnn = nn.RNN(3, 4, layers, batch_first=True)
        self.norm = nn.LayerNorm(4)

    def forward(self, tokens):
        return self.norm(self.rnn(self.embed(tokens))[0])


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("constants", [(1e-5, 1e-3), (0.05, 1.0)])
def test_against_the_recurrence_written_out(layers, constants):
    expected = metric(*(outputs(w, drawn(), layers) for w in constants))
    net = LanguageModel(layers)
    double = epsilon_rnn(net, TOKENS, constants=constants, dtype=torch.float64)
    assert double == pytest.approx(expected, rel=1e-9)
    assert epsilon_rnn(net, TOKENS, constants=constants) == pytest.approx(expected, rel=1e-3)


def test_a_recipe_is_the_rnn_it_describes():
    text = (
        '{"a": {"op": "linear", "input": ["x", "h_prev_0"]},'
        ' "h_new_0": {"op": "activation_tanh", "input": ["a"]}}'
    )
    net = RecipeLanguageModel(text, 9, emsize=3, nhid=4, nlayers=1)
    expected = metric(*(outputs(w, drawn(), 1, units=3) for w in (1e-5, 1e-3)))
    assert epsilon_rnn(net, TOKENS, dtype=torch.float64) == pytest.approx(expected, rel=1e-9)


def test_the_seed_of_the_embedding_counts_and_the_weights_do_not():
    scores = [epsilon_rnn(LanguageModel(1), TOKENS, constants=(0.1, 1.0)) for _ in range(2)]
    other = epsilon_rnn(LanguageModel(1), TOKENS, constants=(0.1, 1.0), seed=1)
    assert scores[0] == scores[1] != other
    expected = metric(*(outputs(w, drawn(1), 1) for w in (0.1, 1.0)))
    assert other == pytest.approx(expected, rel=1e-4)


def test_a_network_without_embedding_takes_features():
    """Linear in the input at both constants, so that the scaled outputs agree."""
    x = torch.rand(6, 1, 3, generator=torch.Generator().manual_seed(0))
    net = nn.RNN(3, 4, nonlinearity="relu", batch_first=True)
    assert epsilon_rnn(net, x) == pytest.approx(0, abs=1e-5)


def test_equal_samples_are_undefined():
    assert math.isnan(epsilon_rnn(LanguageModel(1), torch.ones(3, 1, dtype=torch.long)))


def test_the_network_is_left_as_it_was():
    net = LanguageModel(2)
    before = Snapshot(net)
    epsilon_rnn(net, TOKENS)
    assert not before.changes(net)
    with pytest.raises(UnsupportedNetwork, match="no recurrent layer"):
        epsilon_rnn(nn.Linear(3, 2), torch.ones(4, 3))
