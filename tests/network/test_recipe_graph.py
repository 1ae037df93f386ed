"""Recipes as graphs: the same numbers as the recipes' own cells, and the published sizes."""

import json
from itertools import pairwise

import pytest
import torch

from nascout.graph import graph_cost
from nascout.network import build, source_state, to_source
from nascout.network.recipe_graph import recipe_graph
from nascout.network.recurrent_recipe import RecipeCell
from nascout.space import SPACES


def recipe(**nodes):
    """``name=(op, input, ...)`` as JSON."""
    return json.dumps({name: {"op": op, "input": inputs} for name, (op, *inputs) in nodes.items()})


EVERYTHING = recipe(
    a=("linear", "x", "h_prev_0"),
    b=("activation_sigm", "a"),
    c=("linear", "h_prev_1", "x", "a"),
    d=("activation_leaky_relu", "c"),
    e=("blend", "b", "d", "h_prev_1"),
    f=("elementwise_prod", "e", "d", "h_prev_0"),
    g=("elementwise_sum", "f", "b", "a"),
    h_new_1=("activation_tanh", "g"),
    h_new_0=("linear", "h_new_1", "e"),
)


def copied(recipe, input_size, hidden_size):
    """The recipe's own cell, and the network of its graph with the same weights."""
    cell = RecipeCell(recipe, input_size, hidden_size)
    net = build(recipe_graph(recipe, input_size, hidden_size))
    named = [name for name, node in cell.recipe.items() if node.op == "linear"]
    parameters = dict(net.named_parameters())
    with torch.no_grad():
        for name, linear in zip(named, cell.linears, strict=True):
            parameters.pop(f"{name}.linear.weight").copy_(linear.weight)
            parameters.pop(f"{name}.linear.bias").copy_(linear.bias)
    assert not parameters
    return cell, net


def agree(recipe):
    """Both give the same numbers, for random ones."""
    cell, net = copied(recipe, 3, 4)
    states = len(net.graph.inputs) - 1
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 3, generator=generator)
    before = tuple(torch.randn(5, 4, generator=generator) for _ in range(states))
    made = net(x, *before)
    for ours, theirs in zip(made if states > 1 else (made,), cell(x, before), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_every_operation():
    agree(EVERYTHING)


def test_ten_states_stay_in_order():
    nodes = {f"h_new_{i}": ("activation_tanh", f"h_prev_{i}") for i in reversed(range(1, 11))}
    text = recipe(h_new_0=("linear", "x", *(f"h_prev_{i}" for i in range(11))), **nodes)
    graph = recipe_graph(text, 3, 4)
    assert [graph.nodes[i].key for i in graph.inputs[1:]] == [f"h_prev_{i}" for i in range(11)]
    agree(text)


def test_cells_as_source():
    """Every operation of recurrent cells, a mean among them, written out as a file of torch."""
    space = SPACES["darts_rnn"](width=4)
    released = space.parse(space.known["darts_rnn_v2"]).graph()
    for graph in (recipe_graph(EVERYTHING, 3, 4), released):
        net, scope = build(graph), {}
        exec(to_source(graph), scope)
        written = scope["Model"]()
        written.load_state_dict(source_state(net))
        xs = [torch.linspace(-2, 2, 2 * graph.shapes[i].size).view(2, -1) for i in graph.inputs]
        for ours, theirs in zip(written(*xs), net(*xs), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.slow
def test_the_published_recipes(shared_data):
    """200 recipes: the stated parameters of the whole model, and the numbers of their cells."""
    pandas = pytest.importorskip("pandas")
    recipes = pandas.read_parquet(shared_data / "nasbench_nlp_recipes.parquet")
    assert len(recipes) == 200
    for row in recipes.itertuples():
        widths = [row.emsize, *[row.nhid] * (row.nlayers - 1), row.emsize]
        cells = sum(graph_cost(recipe_graph(row.recipe, *pair)).params for pair in pairwise(widths))
        assert cells + 33_278 * (row.emsize + 1) == row.num_params
        agree(row.recipe)
