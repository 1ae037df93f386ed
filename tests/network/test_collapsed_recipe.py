"""One unit of a recipe at constant weights, against the network."""

import json

import pandas as pd
import pytest
import torch

from nascout.errors import UnsupportedNetwork
from nascout.network.collapsed_recipe import collapsed_states
from nascout.network.recurrent_recipe import RecipeLanguageModel
from nascout.score.epsilon_rnn import epsilon_rnn
from nascout.score.hidden_states import hidden_states

LSTM = {
    "i": ("linear", "x", "h_prev_0"),
    "f": ("linear", "x", "h_prev_0", "h_prev_1"),
    "j": ("linear", "h_prev_0"),
    "gi": ("activation_sigm", "i"),
    "gf": ("activation_sigm", "f"),
    "a": ("activation_leaky_relu", "j"),
    "new": ("elementwise_prod", "gi", "a"),
    "kept": ("elementwise_sum", "new", "h_prev_1"),
    "h_new_1": ("blend", "gf", "kept", "new"),
    "h_new_0": ("activation_tanh", "h_new_1"),
}
WITH_X = LSTM | {"a": ("elementwise_sum", "j", "x")}
TOKENS = torch.randint(0, 11, (6, 5), generator=torch.Generator().manual_seed(0))


def text(nodes):
    return json.dumps({k: {"op": op, "input": list(i)} for k, (op, *i) in nodes.items()})


def embedding(units):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(11, units, generator=generator, dtype=torch.float64)


def in_full(net, constant):
    """Every unit, with the weights written into the network."""
    net = net.double()
    for name, parameter in net.named_parameters():
        parameter.data.fill_(0.0 if "bias" in name else constant)
    net.embedding.weight.data.copy_(embedding(net.embedding.weight.shape[1]))
    return hidden_states(net, TOKENS)[-1]


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("constant", [1e-3, 0.3])
def test_all_units_are_this_one(layers, constant):
    net = RecipeLanguageModel(text(LSTM), 11, emsize=3, nhid=4, nlayers=layers)
    unit = collapsed_states(net, TOKENS, embedding(3), constant).flatten()
    full = in_full(net, constant)
    torch.testing.assert_close(unit[:, None].expand_as(full), full, rtol=1e-12, atol=0)


def test_units_that_differ_are_refused_and_scored_in_full():
    net = RecipeLanguageModel(text(WITH_X), 11, emsize=4, nhid=4, nlayers=2)
    with pytest.raises(UnsupportedNetwork, match="node 'a' reads x"):
        collapsed_states(net, TOKENS, embedding(4), 0.1)
    assert not torch.equal(*in_full(net, 0.1)[:, :2].T)
    assert epsilon_rnn(net, TOKENS, dtype=torch.float64) > 0


@pytest.mark.slow
def test_recipes_of_the_benchmark(shared_data):
    """The score of the network in full: a subclass, which is not collapsed."""

    class InFull(RecipeLanguageModel):
        pass

    table = pd.read_parquet(shared_data / "nasbench_nlp_recipes.parquet")
    for recipe in table["recipe"].head(12):
        one, other = (
            kind(recipe, 11, emsize=4, nhid=6, nlayers=3) for kind in (RecipeLanguageModel, InFull)
        )
        expected = epsilon_rnn(other, TOKENS, dtype=torch.float64, constants=(0.01, 0.3))
        given = epsilon_rnn(one, TOKENS, dtype=torch.float64, constants=(0.01, 0.3))
        assert given == pytest.approx(expected, rel=1e-6, nan_ok=True)
