"""Several tensors behind gates, and the channels that pass by them."""

import pytest
import torch

from nascout.errors import GraphError
from nascout.graph import Builder, Graph, graph_cost
from nascout.graph.mixing import Mixed, Rest
from nascout.graph.ops import Conv2d, ReLU
from nascout.network import build


def mixture(*places, gates=3):
    g = Builder()
    x = g.input((2, 4, 4))
    nodes = [x, g.node(ReLU(), x, key="relu")]
    return g.graph(g.node(Mixed(places), g.gates("edge", gates), *nodes, key="mixed"))


def test_the_sum_of_what_the_gates_let_through():
    x = torch.randn(5, 2, 4, 4)
    y = build(mixture(2, 0))(x, torch.tensor([[0.5, 7.0, -2.0]]))
    torch.testing.assert_close(y, -2 * x + 0.5 * x.relu())


def test_gates_may_differ_between_samples():
    x = torch.randn(2, 2, 4, 4)
    y = build(mixture(0, 1))(x, torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]))
    torch.testing.assert_close(y, torch.stack((x[0], x[1].relu())))


def test_one_mac_per_value_and_input():
    assert graph_cost(mixture(0, 1)).macs == 2 * 2 * 4 * 4


def test_gates_of_one_name_are_one_input():
    g = Builder()
    assert g.gates("a", 2) == g.gates("a", 2) != g.gates("b", 2)


def test_a_graph_of_it_is_json():
    graph = mixture(0, 1)
    assert Graph.from_json(graph.to_json()) == graph


@pytest.mark.parametrize("places", [(0,), (0, 1, 2), (0, 3)])
def test_gates_that_do_not_fit(places):
    with pytest.raises(GraphError, match="Mixed"):
        _ = mixture(*places).shapes


def test_shapes_that_differ():
    g = Builder()
    x = g.input((2, 4, 4))
    y = g.node(Conv2d(3, 1), x, key="wide")
    with pytest.raises(GraphError, match="Mixed needs 2 equal shapes"):
        _ = g.graph(g.node(Mixed((0, 1)), g.gates("edge", 2), x, y, key="mixed")).shapes


def test_the_channels_behind_the_first():
    g = Builder()
    net = build(g.graph(g.node(Rest(1), g.input((3, 2, 2)), key="rest")))
    x = torch.randn(4, 3, 2, 2)
    assert torch.equal(net(x), x[:, 1:])
    g = Builder()
    with pytest.raises(GraphError, match="leaves nothing"):
        _ = g.graph(g.node(Rest(3), g.input((3, 2, 2)), key="rest")).shapes
