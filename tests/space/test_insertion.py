"""Graphs that grow, and any wiring repaired: they run, and what was there keeps its weights."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nascout.errors import GraphError
from nascout.graph import Builder, Graph, graph_cost, repair
from nascout.graph.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Linear,
    MaxPool,
    ReLU,
)
from nascout.network import build
from nascout.space import SPACES
from nascout.space.insertion import add_edge, edges, insert_node, mutate


def tower():
    """Stem of 4 channels, a layer of 6 at half the size, head."""
    g = Builder()
    x = g.chain((Conv2d(4, 3), BatchNorm()), g.input((3, 8, 8)), key="stem")
    x = g.chain((ReLU(), Conv2d(6, 3, 2), BatchNorm()), x, key="layer1")
    x = g.chain((ReLU(), Conv2d(6, 3), BatchNorm()), x, key="layer2")
    return g.graph(g.chain((GlobalAvgPool(), Linear(3)), x, key="head"))


def at(graph, key):
    return next(i for i, node in enumerate(graph) if node.key == key)


@pytest.fixture(scope="module", autouse=True)
def warm():
    """The first network that is built imports much of torch; that is no test's time."""
    build(tower())(torch.zeros(2, 3, 8, 8))


def run(graph, seed=0):
    """The output for two samples, after a step backward."""
    generator = torch.Generator().manual_seed(seed)
    net = build(graph, seed=seed)
    output = net(*(torch.randn(2, *graph.shapes[i], generator=generator) for i in graph.inputs))
    output.square().sum().backward()
    return output


def any_wiring(seed):
    """Nodes of any width and stride that read any earlier ones, joined however they come."""
    rng = random.Random(seed)
    g = Builder()
    nodes = [g.input((rng.randint(1, 3), rng.randint(1, 11), rng.randint(1, 11)))]
    for index in range(rng.randint(1, 8)):
        sources = [rng.choice(nodes) for _ in range(rng.randint(1, 4))]
        x = g.node(rng.choice((Add(), Concat())), *sources, key=f"layer{index}/join")
        stride = rng.choice((1, 1, 2, 3, (1, 2)))
        kernel = rng.choice((1, 2, 3, 5, (1, 3)))
        kind = rng.randrange(4)
        if kind == 0:
            op = Conv2d(rng.randint(1, 5), kernel, stride, padding=5)
        elif kind == 1:
            op = MaxPool(3, stride)
        elif kind == 2:
            op = AvgPool(3, stride)
        else:
            op = ReLU()
        nodes.append(g.node(op, x, key=f"layer{index}/op"))
    x = g.node(rng.choice((Add(), Concat())), *nodes, key="head/join")
    return g.graph(g.chain((GlobalAvgPool(), Linear(3)), x, key="head"))


@given(st.integers(0, 10**6))
def test_any_wiring_repairs_to_a_graph_that_runs(seed):
    fixed = repair(any_wiring(seed))
    assert run(fixed).shape == (2, 3)


def kept(before, after):
    """Every node of ``before`` is in ``after``, in order, and learns tensors of the same shapes."""
    index = {node.key: i for i, node in enumerate(after)}
    places = [index[node.key] for node in before]
    assert places == sorted(places)
    for i, place in enumerate(places):
        old, new = before.nodes[i], after.nodes[place]
        assert new.op == old.op
        shapes = before.input_shapes(i), after.input_shapes(place)
        assert shapes[0] == shapes[1]
    assert [after.nodes[o].key for o in after.outputs] == [
        before.nodes[o].key for o in before.outputs
    ]


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_growth_keeps_every_node_and_runs(seed, steps):
    rng = random.Random(seed)
    start = SPACES["freeform"](channels=2, depth=4, input_shape=(1, 9, 6)).sample(rng).graph()
    graph = start
    for _ in range(steps):
        grown = mutate(graph, rng)
        kept(graph, grown)
        assert len(grown) > len(graph)
        graph = grown
    assert run(graph).shape == (2, 10)
    assert Graph.from_json(graph.to_json()) == graph


def test_weights_of_what_was_there_stay():
    graph = tower()
    rng = random.Random(1)
    grown = graph
    for _ in range(6):
        grown = mutate(grown, rng)
    old, new = build(graph, seed=3).state_dict(), build(grown, seed=3).state_dict()
    assert len(new) > len(old)
    for name, tensor in old.items():
        assert torch.equal(tensor, new[name]), name


def test_no_depth_is_too_large():
    graph, rng = tower(), random.Random(0)
    layers = []
    for _ in range(100):
        graph = mutate(graph, rng)
        layers.append(sum(isinstance(node.op, Conv2d) for node in graph))
    assert layers[-1] > 50
    assert graph.shapes[-1] == (3,)


def test_the_same_draw_grows_the_same_graph():
    one, other = (mutate(tower(), random.Random(5)) for _ in range(2))
    assert one == other
    assert len({mutate(tower(), random.Random(seed)).to_json() for seed in range(40)}) > 10


def test_edges_are_between_layers():
    graph = tower()
    found = [
        (graph.nodes[r].key, graph.nodes[graph.nodes[r].inputs[p]].key) for r, p in edges(graph)
    ]
    assert found == [
        ("layer1/relu", "stem/batchnorm"),
        ("layer2/relu", "layer1/batchnorm"),
        ("head/globalavgpool", "layer2/batchnorm"),
    ]


def test_a_layer_on_an_edge():
    graph = tower()
    ops = (Conv2d(6, 3), BatchNorm())
    edge = at(graph, "layer2/relu"), 0
    grown = insert_node(graph, edge, ops)
    new = [node.key for node in grown if node.key not in {n.key for n in graph}]
    assert new == ["layer2/relu-before0/conv2d", "layer2/relu-before0/batchnorm"]
    assert graph_cost(grown).params - graph_cost(graph).params == 6 * 6 * 9 + 2 * 6
    again = insert_node(grown, (at(grown, "layer2/relu"), 0), ops)
    new = [node.key for node in again if node.key not in {n.key for n in grown}]
    assert new == ["layer2/relu-before0-2/conv2d", "layer2/relu-before0-2/batchnorm"]
    assert [again.nodes[i].key for i in again.nodes[at(again, new[0])].inputs] == [
        "layer2/relu-before0/batchnorm"
    ]


def test_an_edge_brings_its_source_to_the_shape():
    """8x8x4 to 4x4x6: windows of 2, then a projection with its normalisation."""
    graph = tower()
    stem = at(graph, "stem/batchnorm")
    grown = add_edge(graph, stem, (at(graph, "layer2/relu"), 0))
    kept(graph, grown)
    ops = {node.key: node.op for node in grown}
    assert ops["layer2/relu-plus0/avgpool"] == AvgPool((2, 2), (2, 2), padding=0)
    assert ops["layer2/relu-plus0/conv2d"] == Conv2d(6, 1)
    assert graph_cost(grown).params - graph_cost(graph).params == 4 * 6 + 2 * 6
    joined = grown.nodes[at(grown, "layer2/relu-plus0/add")]
    assert grown.nodes[joined.inputs[0]].key == "layer1/batchnorm"


def test_a_wide_source_does_not_widen_what_is_there():
    g = Builder()
    wide = g.node(Conv2d(9, 1), g.input((3, 4, 4)), key="wide/conv")
    x = g.node(Conv2d(2, 1), wide, key="narrow/conv")
    graph = g.graph(g.node(Conv2d(5, 1), x, key="end/conv"))
    kept(graph, add_edge(graph, wide, (at(graph, "end/conv"), 0)))


def test_a_layer_that_changes_the_shape_is_repaired_behind():
    g = Builder()
    x = g.node(Conv2d(4, 3), g.input((3, 8, 8)), key="stem/conv")
    y = g.node(Conv2d(4, 3), x, key="layer/conv")
    graph = g.graph(g.add(x, y, key="sum"))
    grown = insert_node(graph, (at(graph, "sum"), 1), (Conv2d(7, 3, 2),))
    assert grown.shapes[-1] == (7, 4, 4)
    assert run(grown).shape == (2, 7, 4, 4)


def test_what_cannot_grow_is_named():
    graph = tower()
    reader = at(graph, "layer1/relu")
    for edge in ((reader, 1), (reader, -1), (len(graph), 0), (0, 0)):
        with pytest.raises(GraphError, match="no edge"):
            insert_node(graph, edge, (ReLU(),))
        with pytest.raises(GraphError, match="no edge"):
            add_edge(graph, 1, edge)
    later, small = at(graph, "layer2/relu"), at(graph, "layer1/batchnorm")
    g = Builder()
    x = g.node(Conv2d(2, 3, 2), g.input((3, 8, 8)), key="small/conv")
    y = g.node(Conv2d(2, 3), 0, key="large/conv")
    end = g.node(ReLU(), y, key="end/relu")
    with pytest.raises(GraphError, match=f"node {x} cannot be added to input 0 of 'end/relu'"):
        add_edge(g.graph(end), x, (end, 0))
    for source in (later, small, -1):
        with pytest.raises(GraphError, match="cannot be added"):
            add_edge(graph, source, (reader, 0))
    with pytest.raises(GraphError, match="cannot be added"):
        add_edge(graph, at(graph, "stem/conv2d"), (at(graph, "head/linear"), 0))
    g = Builder()
    with pytest.raises(GraphError, match="no layers to grow between"):
        mutate(g.graph(g.node(ReLU(), g.input((3, 4, 4)), key="only")), random.Random(0))
