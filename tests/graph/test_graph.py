"""The graph itself: what it refuses, JSON, pruning, building."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascout.errors import GraphError, UnknownName
from nascout.graph import OPS, Builder, Graph, Node, Op, op
from nascout.graph.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    DepthwiseConv2d,
    GlobalAvgPool,
    Identity,
    Input,
    Linear,
    MaxPool,
    ReLU,
    Zero,
)

ENTRY = Node(Input((3, 8, 8)), (), "input")


@pytest.mark.parametrize(
    ("nodes", "outputs", "words"),
    [
        ((ENTRY, Node(ReLU(), (1,), "me")), (1,), ("'me'", "does not come before")),
        ((ENTRY, Node(ReLU(), (-1,), "me")), (1,), ("'me'", "does not come before")),
        ((ENTRY, Node(ReLU(), (), "me")), (1,), ("'me' (ReLU) has 0 inputs", "1 input")),
        ((ENTRY, Node(ReLU(), (0, 0), "me")), (1,), ("'me' (ReLU) has 2 inputs", "1 input")),
        ((ENTRY, Node(Add(), (), "me")), (1,), ("'me' (Add)", "at least one input")),
        ((Node(Input((1,)), (0,), "me"),), (0,), ("'me' (Input) has 1", "0 input")),
        ((ENTRY, Node(ReLU(), (0,), "input")), (1,), ("two nodes", "'input'")),
        ((ENTRY,), (), ("no output",)),
        ((ENTRY,), (1,), ("output 1",)),
        ((ENTRY,), (-1,), ("output -1",)),
        ((), (0,), ("output 0",)),
    ],
)
def test_structure_is_checked_at_once(nodes, outputs, words):
    with pytest.raises(GraphError) as error:
        Graph(nodes, outputs)
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("op", "shapes", "words"),
    [
        (Add(), [(3, 8, 8), (3, 4, 4)], "Add needs equal shapes, got 3×8×8, 3×4×4"),
        (Concat(), [(3, 8, 8), (3, 8, 4)], "Concat needs equal heights and widths"),
        (Concat(), [(3, 8, 8), (3,)], "Concat needs equal heights and widths"),
        (Linear(10), [(3, 8, 8)], "put GlobalAvgPool before it"),
        (Linear(0), [(3,)], "out must be at least 1"),
        (GlobalAvgPool(), [(3,)], "needs a map"),
        (ReLU(), [(3, 0, 8)], "an input needs positive sizes"),
        (ReLU(), [()], "an input needs positive sizes"),
    ],
)
def test_shapes_are_checked_when_asked_for(op, shapes, words):
    g = Builder()
    inputs = [g.input(shape, key=f"in{i}") for i, shape in enumerate(shapes)]
    graph = g.graph(g.node(op, *inputs, key="here"))
    with pytest.raises(GraphError, match=words) as error:
        _ = graph.shapes
    assert "node 'here'" in str(error.value) or "node 'in0'" in str(error.value)


def one_of_each():
    g = Builder()
    x = g.input((4, 9, 7))
    maps = (
        Conv2d(6, (3, 1), stride=(2, 1), groups=2, dilation=1, padding=(1, 0), bias=True),
        DepthwiseConv2d(3, dilation=(2, 1)),
        BatchNorm(affine=False),
        ReLU(),
        Identity(),
        Zero(),
        AvgPool(3),
        MaxPool((2, 3), 2, ceil=True),
    )
    y = g.chain(maps, x, key="a")
    y = g.node(Concat(), y, y, key="both")
    y = g.node(Add(), y, y, key="twice")
    y = g.chain((GlobalAvgPool(), Linear(5, bias=False)), y, key="head")
    return g.graph(y, x)


def test_json_round_trip_holds_every_op():
    graph = one_of_each()
    used = {type(node.op).__name__ for node in graph}
    assert used == {name for name in OPS if OPS[name].__module__ == "nascout.graph.ops"}
    back = Graph.from_json(graph.to_json())
    assert back == graph
    assert hash(back) == hash(graph)
    assert back.shapes == graph.shapes
    json.loads(graph.to_json())


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("nodes"),
        lambda c: c.update(format=99),
        lambda c: c.update(outputs="x"),
        lambda c: c.update(outputs=[99]),
        lambda c: c["nodes"][1].pop("key"),
        lambda c: c["nodes"][1].update(colour="red"),
        lambda c: c["nodes"][1].update(inputs=["input"]),
        lambda c: c["nodes"][1].update(inputs=[5]),
    ],
)
def test_json_of_something_else_is_one_graph_error(change):
    content = json.loads(one_of_each().to_json())
    change(content)
    with pytest.raises(GraphError) as error:
        Graph.from_json(json.dumps(content))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{}", "{nodes}"])
def test_text_of_something_else_is_one_graph_error(text):
    with pytest.raises(GraphError, match="not a graph in JSON"):
        Graph.from_json(text)


def test_json_with_an_unknown_op_suggests_the_nearest():
    text = one_of_each().to_json().replace('"Conv2d"', '"Conv3d"')
    with pytest.raises(UnknownName, match="Did you mean Conv2d"):
        Graph.from_json(text)


def test_an_op_cannot_have_an_attribute_that_json_needs():
    with pytest.raises(ValueError, match="rename the attribute 'key'"):

        @op
        class Keyed(Op):
            key: int = 0

    assert "Keyed" not in OPS


def dangling():
    """x → a → out; x → b → c, unread; a second input, unread."""
    g = Builder()
    x = g.input((2, 4, 4))
    g.input((2, 4, 4), key="other")
    b = g.node(Conv2d(3, 1), x, key="b")
    a = g.node(ReLU(), x, key="a")
    g.node(ReLU(), b, key="c")
    return g.graph(g.node(Zero(), a, key="out"))


def test_live_follows_outputs_and_zero_counts_as_reading():
    graph = dangling()
    live = {node.key for node, live in zip(graph, graph.live, strict=True) if live}
    assert live == {"input", "a", "out"}


def test_prune_keeps_inputs_and_what_outputs_need():
    pruned = dangling().prune()
    assert [node.key for node in pruned] == ["input", "other", "a", "out"]
    assert [node.inputs for node in pruned] == [(), (), (0,), (2,)]
    assert pruned.outputs == (3,)
    assert pruned.prune() == pruned


@given(st.data())
def test_prune_against_reachability_by_networkx(data):
    import networkx as nx

    g = Builder()
    nodes = [g.input((2, 4, 4))]
    for index in range(data.draw(st.integers(1, 10))):
        sources = data.draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=3))
        nodes.append(g.node(Add(), *sources, key=f"n{index}"))
    outputs = data.draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=2))
    graph = g.graph(*outputs)
    net = nx.DiGraph()
    net.add_nodes_from(range(len(graph)))
    net.add_edges_from((s, i) for i, node in enumerate(graph) for s in node.inputs)
    needed = set(outputs).union(*(nx.ancestors(net, o) for o in outputs))
    assert {i for i, live in enumerate(graph.live) if live} == needed
    assert {n.key for n in graph.prune()} == {graph.nodes[i].key for i in needed | {0}}


def test_builder_numbers_keys_that_are_taken():
    g = Builder()
    x = g.input((1,))
    for _ in range(3):
        x = g.node(ReLU(), x, key="relu")
    assert [node.key for node in g.graph(x)] == ["input", "relu", "relu2", "relu3"]


def test_builder_junctions_of_one_are_that_one():
    g = Builder()
    x = g.input((1,))
    assert g.add(x, key="a") == g.concat(x, key="b") == g.chain((), x, key="c") == x


def test_graphs_and_nodes_cannot_be_changed():
    graph = dangling()
    with pytest.raises(AttributeError):
        graph.outputs = (0,)
    with pytest.raises(AttributeError):
        graph.nodes[2].op.out = 9
