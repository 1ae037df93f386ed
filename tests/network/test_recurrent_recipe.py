"""Recipes of recurrent cells: reading them, running them, and the published sizes."""

import json

import pytest
import torch
from torch import nn

from nascout.errors import ArchitectureError, ConfigError, UnsupportedNetwork
from nascout.network.recurrent_recipe import RecipeCell, RecipeLanguageModel, parse_recipe


def recipe(**nodes):
    """``name=(op, input, ...)`` as JSON."""
    return json.dumps({name: {"op": op, "input": inputs} for name, (op, *inputs) in nodes.items()})


TANH = recipe(a=("linear", "x", "h_prev_0"), h_new_0=("activation_tanh", "a"))
LSTM = recipe(
    i_in=("linear", "x", "h_prev_0"),
    f_in=("linear", "x", "h_prev_0"),
    g_in=("linear", "x", "h_prev_0"),
    o_in=("linear", "x", "h_prev_0"),
    i=("activation_sigm", "i_in"),
    f=("activation_sigm", "f_in"),
    g=("activation_tanh", "g_in"),
    o=("activation_sigm", "o_in"),
    kept=("elementwise_prod", "f", "h_prev_1"),
    new=("elementwise_prod", "i", "g"),
    h_new_1=("elementwise_sum", "kept", "new"),
    out=("activation_tanh", "h_new_1"),
    h_new_0=("elementwise_prod", "o", "out"),
)
GRU = recipe(
    r_in=("linear", "x", "h_prev_0"),
    z_in=("linear", "x", "h_prev_0"),
    x_in=("linear", "x"),
    h_in=("linear", "h_prev_0"),
    r=("activation_sigm", "r_in"),
    z=("activation_sigm", "z_in"),
    reset=("elementwise_prod", "r", "h_in"),
    n_in=("elementwise_sum", "x_in", "reset"),
    n=("activation_tanh", "n_in"),
    h_new_0=("blend", "z", "h_prev_0", "n"),
)


def linears(cell):
    """The cell's matrices by the name of their node."""
    named = [name for name, node in cell.recipe.items() if node.op == "linear"]
    return dict(zip(named, cell.linears, strict=True))


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def fill(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data.uniform_(-0.5, 0.5, generator=generator)
    return module


@torch.no_grad()
def test_an_lstm_written_as_a_recipe_is_torchs_lstm():
    known, cell = fill(nn.LSTMCell(3, 4)), RecipeCell(LSTM, 3, 4)
    for k, gate in enumerate(("i_in", "f_in", "g_in", "o_in")):
        rows = slice(4 * k, 4 * k + 4)
        linears(cell)[gate].weight.copy_(torch.cat([known.weight_ih, known.weight_hh], 1)[rows])
        linears(cell)[gate].bias.copy_((known.bias_ih + known.bias_hh)[rows])
    x, states = noise(5, 3), (noise(5, 4, seed=1), noise(5, 4, seed=2))
    for ours, torchs in zip(cell(x, states), known(x, states), strict=True):
        torch.testing.assert_close(ours, torchs)


@torch.no_grad()
def test_a_gru_written_as_a_recipe_is_torchs_gru():
    """Also fixes the order of a blend: z, then what z lets through."""
    known, cell = fill(nn.GRUCell(3, 4)), RecipeCell(GRU, 3, 4)
    both = torch.cat([known.weight_ih, known.weight_hh], 1)
    for k, gate in enumerate(("r_in", "z_in")):
        linears(cell)[gate].weight.copy_(both[4 * k : 4 * k + 4])
        linears(cell)[gate].bias.copy_((known.bias_ih + known.bias_hh)[4 * k : 4 * k + 4])
    linears(cell)["x_in"].weight.copy_(known.weight_ih[8:])
    linears(cell)["x_in"].bias.copy_(known.bias_ih[8:])
    linears(cell)["h_in"].weight.copy_(known.weight_hh[8:])
    linears(cell)["h_in"].bias.copy_(known.bias_hh[8:])
    x, h = noise(5, 3), noise(5, 4, seed=1)
    torch.testing.assert_close(cell(x, (h,))[0], known(x, h))


@pytest.mark.parametrize(
    ("op", "inputs", "expected"),
    [
        ("blend", "x h_prev_0 h_prev_1", [2 * 3 + (1 - 2) * 5, -1 * 4 + (1 + 1) * -6]),
        ("elementwise_prod", "x h_prev_0 h_prev_1", [2 * 3 * 5, -1 * 4 * -6]),
        ("elementwise_sum", "x h_prev_0 h_prev_1", [2 + 3 + 5, -1 + 4 - 6]),
        ("elementwise_sum", "x x", [4, -2]),
        ("activation_leaky_relu", "x", [2, -0.01]),
    ],
)
def test_operations_by_hand(op, inputs, expected):
    text = recipe(h_new_0=(op, *inputs.split()), h_new_1=("elementwise_sum", "x", "h_prev_1"))
    states = torch.tensor([[3.0, 4.0]]), torch.tensor([[5.0, -6.0]])
    output, _ = RecipeCell(text, 2, 2)(torch.tensor([[2.0, -1.0]]), states)
    assert output[0].tolist() == pytest.approx(expected)


def test_nodes_may_be_written_in_any_order():
    shuffled = json.dumps(dict(reversed(json.loads(LSTM).items())))
    parsed = parse_recipe(shuffled)
    assert parsed == parse_recipe(LSTM)
    seen = {"x", "h_prev_0", "h_prev_1"}
    for name, node in parsed.items():
        assert seen.issuperset(node.inputs)
        seen.add(name)


@torch.no_grad()
def test_the_language_model_is_a_stack_of_layers_over_time():
    net = RecipeLanguageModel(TANH, 11, emsize=3, nhid=5, nlayers=3)
    tokens = torch.arange(8).view(2, 4)
    x = net.embedding.weight[tokens]
    for cell, (before, after) in zip(net.cells, [(3, 5), (5, 5), (5, 3)], strict=True):
        known = nn.RNN(before, after, batch_first=True)
        weight, bias = cell.linears[0].weight, cell.linears[0].bias
        known.weight_ih_l0.copy_(weight[:, :before])
        known.weight_hh_l0.copy_(weight[:, before:])
        known.bias_ih_l0.copy_(bias)
        known.bias_hh_l0.zero_()
        x, _ = known(x)
    torch.testing.assert_close(net(tokens), x @ net.embedding.weight.T)


def test_weights_come_from_the_seed_alone():
    state = torch.get_rng_state()
    one, same, other = (RecipeLanguageModel(GRU, 7, emsize=3, nhid=4, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    for a, b in zip(one.parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.cells[0].linears[0].weight, other.cells[0].linears[0].weight)
    assert one.cells[0].linears[0].weight.abs().max() <= 0.5  # 1/√4


def test_gradients_reach_every_parameter():
    net = RecipeLanguageModel(LSTM, 7, emsize=3, nhid=4)
    net(torch.arange(6).view(2, 3)).logsumexp(-1).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


LINEAR = {"op": "linear", "input": ["x", "h_prev_0"]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("__import__('os')", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"h_new_0": {}, "h_new_0": {}}', "a name is given twice"),
        ("[]", "not a JSON object"),
        (json.dumps({"h_new_0": ["linear", "x"]}), "'h_new_0' is not an operation"),
        (json.dumps({"h_new_0": {**LINEAR, "more": 1}}), "'h_new_0' is not an operation"),
        (json.dumps({"h_new_0": {"op": "linear", "input": "x"}}), "no name or list of inputs"),
        (json.dumps({"h_new_0": {"op": "linear", "input": [1]}}), "input that is not a name"),
        (json.dumps({"h_new_0": {"op": "eval", "input": ["x"]}}), "operation 'eval'"),
        (recipe(h_new_0=("blend", "x", "h_prev_0")), "blend of 2 inputs"),
        (recipe(h_new_0=("elementwise_sum", "x")), "elementwise_sum of 1 inputs"),
        (recipe(h_new_0=("linear", "node_9")), "'h_new_0' takes 'node_9'"),
        (recipe(h_new_0=("linear", "x", "h_prev_1")), "'h_new_0' takes 'h_prev_1'"),
        (recipe(x=("linear", "x"), h_new_0=("linear", "x")), "computes 'x'"),
        (recipe(node_0=("linear", "x")), "the states none"),
        (recipe(h_new_1=("linear", "x")), "the states h_new_1"),
        (recipe(a=("linear", "h_new_0"), h_new_0=("linear", "a")), "needs its own result"),
    ],
)
def test_what_is_no_recipe_is_refused(text, problem):
    with pytest.raises(ArchitectureError, match=problem):
        parse_recipe(text)


def test_what_the_language_model_refuses():
    with pytest.raises(ConfigError, match="below one"):
        RecipeLanguageModel(TANH, 5, nlayers=0)
    net = RecipeLanguageModel(TANH, 5, emsize=2, nhid=2)
    for tokens in (torch.zeros(3), torch.zeros(3, 4)):
        with pytest.raises(UnsupportedNetwork, match="integer tokens"):
            net(tokens)


@pytest.mark.slow
def test_the_published_numbers_of_parameters(shared_data, monkeypatch):
    """All 200 recipes on WikiText-2, and those that were trained on Penn Treebank, too."""
    monkeypatch.setattr(nn.init, "uniform_", lambda tensor, *_: tensor)  # only sizes count here
    monkeypatch.setattr(nn.Linear, "reset_parameters", lambda _: None)
    pandas = pytest.importorskip("pandas")
    recipes = pandas.read_parquet(shared_data / "nasbench_nlp_recipes.parquet")
    on_ptb = pandas.read_parquet(shared_data / "nasbench_nlp_ptb.parquet").set_index("recipe_id")
    assert len(recipes) == 200
    met = 0
    for row in recipes.itertuples():
        net = RecipeLanguageModel(
            row.recipe, 1, emsize=row.emsize, nhid=row.nhid, nlayers=row.nlayers
        )
        cells = sum(p.numel() for p in net.cells.parameters())
        # A word costs a row of the shared matrix and a bias of the decoder.
        assert cells + 33_278 * (row.emsize + 1) == row.num_params
        assert sum(p.numel() for p in net.parameters()) == cells + row.emsize + 1
        if row.recipe_id in on_ptb.index:
            met += 1
            total = on_ptb.loc[row.recipe_id, "total_params"]
            assert cells + 10_000 * (row.emsize + 1) == total
    assert met > 80
