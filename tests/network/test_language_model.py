"""The language model: time, layers, states, ties and dropouts around any recurrent cell."""

import json
import random

import pytest
import torch
from torch import nn

from nascout.errors import ConfigError, UnsupportedNetwork
from nascout.graph import Builder
from nascout.graph.ops import Add, Identity, Linear
from nascout.network.language_model import Dropouts, LanguageModel, language_model
from nascout.network.module import Network
from nascout.network.recipe_graph import recipe_graph
from nascout.network.recurrent_recipe import RecipeLanguageModel
from nascout.score.epsilon_rnn import epsilon_rnn
from nascout.space import SPACES

TOKENS = torch.randint(11, (3, 6), generator=torch.Generator().manual_seed(0))
GRU_LIKE = json.dumps(
    {
        "z_in": {"op": "linear", "input": ["x", "h_prev_0"]},
        "n_in": {"op": "linear", "input": ["x", "h_prev_0", "h_prev_1"]},
        "z": {"op": "activation_sigm", "input": ["z_in"]},
        "h_new_1": {"op": "activation_tanh", "input": ["n_in"]},
        "h_new_0": {"op": "blend", "input": ["z", "h_prev_0", "h_new_1"]},
    }
)


def cell(op=None, width=4):
    """A step that gives ``op`` of x and h, or x itself."""
    g = Builder()
    x, h = g.input((width,), key="x"), g.input((width,), key="h")
    if op is None:
        return g.graph(g.node(Identity(), x, key="same"))
    return g.graph(g.node(op, g.concat(x, h, key="both"), key="linear"))


def darts(width=5):
    space = SPACES["darts_rnn"](width=width)
    return space.parse(space.known["darts_rnn_v1"])


@torch.no_grad()
def test_a_darts_cell_as_its_paper_writes_it():
    """s_i = s + sigmoid(V s) · (f(W s) - s), the first of x and h; the mean of the other eight."""
    net = language_model(darts(), vocabulary=11)
    weights = {name: p.T for name, p in net.cells[0].named_parameters()}
    h = torch.zeros(3, 5)
    functions = {"relu": torch.relu, "tanh": torch.tanh, "identity": lambda v: v}
    genotype = [
        *(("relu", 0), ("relu", 1), ("tanh", 2), ("relu", 3), ("relu", 4), ("identity", 1)),
        *(("relu", 5), ("relu", 1)),
    ]
    for step in range(6):
        both = torch.cat((net.embedding.weight[TOKENS[:, step]], h), 1)
        gate = torch.sigmoid(both @ weights["node0.gate.linear.weight"])
        nodes = [h + gate * (torch.tanh(both @ weights["node0.state.linear.weight"]) - h)]
        for i, (name, source) in enumerate(genotype, 1):
            s, at = nodes[source], f"{source}->{i}"
            gate = torch.sigmoid(s @ weights[f"{at}.gate.linear.weight"])
            changed = functions[name](s @ weights[f"{at}.state.linear.weight"])
            nodes.append(s + gate * (changed - s))
        h = sum(nodes[1:]) / 8
        torch.testing.assert_close(net(TOKENS)[:, step], h @ net.embedding.weight.T)


@torch.no_grad()
def test_layers_of_recipes_are_the_recipes_model():
    known = RecipeLanguageModel(GRU_LIKE, 11, emsize=4, nhid=6, nlayers=3)
    sizes = [(4, 6), (6, 6), (6, 4)]
    net = language_model([recipe_graph(GRU_LIKE, *pair) for pair in sizes], vocabulary=11)
    net.embedding.weight.copy_(known.embedding.weight)
    for ours, theirs in zip(net.cells, known.cells, strict=True):
        own = ours.get_submodule("z_in.linear"), ours.get_submodule("n_in.linear")
        for mine, linear in zip(own, theirs.linears, strict=True):
            mine.load_state_dict(linear.state_dict())
    torch.testing.assert_close(net(TOKENS), known(TOKENS))
    # What scores read of recurrent layers, they read of these cells, too.
    constants = (0.1, 1.0)
    assert epsilon_rnn(net, TOKENS, cells=(Network,), constants=constants) == pytest.approx(
        epsilon_rnn(known, TOKENS, constants=constants), rel=1e-5
    )


def test_states_carry_a_text_on():
    space = SPACES["zoph_le_rnn"](width=4, base=2)
    net = language_model(space.sample(random.Random(0)), vocabulary=11, layers=2)
    whole, last = net.run(TOKENS)
    first, states = net.run(TOKENS[:, :2])
    second, again = net.run(TOKENS[:, 2:], states)
    torch.testing.assert_close(torch.cat((first, second), 1), whole)
    assert [len(layer) for layer in states] == [2, 2]  # h and c of two layers
    for one, other in zip(last, again, strict=True):
        torch.testing.assert_close(one, other)


def test_the_size_of_the_published_model():
    """23M: the graph's parameters, the shared matrix once, and a bias per word."""
    net = LanguageModel([darts(width=10).graph()], 50)
    assert sum(p.numel() for p in net.parameters()) == 20 * 20 + 8 * 10 * 20 + 50 * 11


def test_weights_come_from_the_seed_alone_and_differ_between_layers():
    state = torch.get_rng_state()
    one, same, other = (language_model(darts(), layers=2, vocabulary=7, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    for a, b in zip(one.parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b)
    first, second = (dict(layer.named_parameters()) for layer in one.cells)
    drawn = dict(other.cells[0].named_parameters())
    for name, tensor in first.items():
        assert not torch.equal(tensor, second[name])
        assert not torch.equal(tensor, drawn[name])
    bound = one.embedding.weight.abs().max()
    assert 0.09 < bound <= 0.1
    assert one.decoder.weight is one.embedding.weight
    assert not one.decoder.bias.any()


def test_gradients_reach_every_parameter():
    dropouts = Dropouts(0.1, 0.2, 0.25, 0.3)
    net = language_model(darts(width=8), vocabulary=11, layers=2, dropouts=dropouts)
    net(TOKENS).logsumexp(-1).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def passing(**dropouts):
    """A model whose cell gives x as it is, and whose decoder gives what enters it."""
    net = language_model([cell()], vocabulary=4, dropouts=Dropouts(**dropouts))
    with torch.no_grad():
        net.embedding.weight.copy_(torch.eye(4))
    return net


@pytest.mark.parametrize("place", ["inputs", "outputs"])
def test_units_are_dropped_alike_at_each_step(place):
    net = passing(**{place: 0.5})
    tokens = torch.arange(4).repeat(200, 2)  # each word twice: a unit stands for a word
    torch.manual_seed(0)
    kept = net(tokens)[torch.arange(200)[:, None], torch.arange(8), tokens]
    assert set(kept.flatten().tolist()) == {0.0, 2.0}
    assert torch.equal(kept[:, :4], kept[:, 4:])
    assert kept.mean().item() == pytest.approx(1, abs=0.2)  # 800 draws of 0 or 2
    assert torch.equal(net.eval()(tokens), nn.functional.one_hot(tokens, 4).float())


def test_words_are_dropped_in_the_whole_batch():
    net = passing(words=0.5)
    tokens = torch.arange(4).repeat(5, 3)
    torch.manual_seed(1)
    seen = set()
    for _ in range(50):
        kept = net(tokens).sum(-1)
        assert torch.equal(kept, kept[:1].expand_as(kept))
        assert torch.equal(kept[:, :4], kept[:, 4:8])
        seen.add(tuple(kept[0, :4].tolist()))
    assert {value for words in seen for value in words} == {0.0, 2.0}
    assert len(seen) > 10  # of 16


def test_connections_are_dropped_for_all_samples_and_steps():
    """All ones in, a matrix of ones: a unit is twice the number of its connections that stay."""
    net = language_model([cell(Linear(4, bias=False))], vocabulary=4, dropouts=Dropouts(hidden=0.5))
    with torch.no_grad():
        net.embedding.weight.copy_(torch.eye(4))
        net.cells[0].get_submodule("linear").weight.fill_(1)
    same = torch.zeros(3, 2, dtype=torch.long)
    torch.manual_seed(0)
    one, other = net(same), net(same)
    assert torch.equal(one, one[:1].expand_as(one))
    assert not torch.equal(one, other)
    assert set(one[:, 0].flatten().tolist()) <= {0.0, 2.0}  # one word is one unit that is one
    # At the second step the units that the first made come in, through the same matrix.
    assert net.eval()(same)[0].tolist() == [[1.0] * 4, [5.0] * 4]


def test_what_does_not_fit_is_refused():
    narrow = cell(Linear(3))
    for cells in ([], [narrow], [cell(), cell(width=5)]):
        with pytest.raises(ConfigError, match="language model"):
            language_model(cells)
    g = Builder()
    no_states = g.graph(g.node(Add(), g.input((4,)), key="sum"))
    with pytest.raises(ConfigError, match="takes x and its states"):
        language_model([no_states])
    for wrong in ({"layers": 0}, {"vocabulary": 0}):
        with pytest.raises(ConfigError, match="at least one"):
            language_model(darts(), **wrong)
    with pytest.raises(ConfigError, match="probabilities"):
        Dropouts(words=1.0)
    with pytest.raises(UnsupportedNetwork, match="integer tokens"):
        language_model(darts())(torch.zeros(2, 3))
