"""Repaired junctions: they fit, they cost what the closed form says, fitting graphs stay."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascout.errors import GraphError
from nascout.graph import Builder, graph_cost, repair
from nascout.graph.ops import Add, AvgPool, Concat, Conv2d, GlobalAvgPool, Linear, MaxPool, ReLU


def free_form(seed):
    """Layers of any width and stride that read any earlier ones, joined however they come."""
    rng = random.Random(seed)
    g = Builder()
    layers = [g.input((rng.randint(1, 4), rng.randint(1, 17), rng.randint(1, 17)))]
    for index in range(rng.randint(2, 9)):
        sources = rng.sample(layers, rng.randint(1, min(3, len(layers))))
        join = rng.choice((Add(), Concat()))
        x = g.node(join, *sources, key=f"join{index}")
        stride = rng.choice((1, 1, 2, (2, 1), 3))
        layer = rng.choice((Conv2d(rng.randint(1, 9), 3, stride), MaxPool(3, stride), ReLU()))
        layers.append(g.node(layer, x, key=f"layer{index}"))
    x = g.node(rng.choice((Add(), Concat())), *layers, key="end")
    return g.graph(g.chain((GlobalAvgPool(), Linear(3)), x, key="head"))


@given(st.integers(0, 10**6))
def test_any_free_form_graph_infers_after_repair(seed):
    graph = free_form(seed)
    fixed = repair(graph)
    assert len(fixed.shapes) == len(fixed)
    assert repair(fixed) == fixed
    # What was there stays, in order, under its key.
    kept = [node for node in fixed if "-repair" not in node.key]
    assert [(n.key, n.op) for n in kept] == [(n.key, n.op) for n in graph]
    try:
        fits = bool(graph.shapes)
    except GraphError:
        fits = False
    assert (fixed == graph) == fits


@given(st.integers(0, 10**6))
def test_cost_includes_the_projections(seed):
    """Closed form per junction: c·C weights and 2·C for the normalisation, c·C·H·W MACs."""
    graph = free_form(seed)
    fixed = repair(graph)
    index = {node.key: i for i, node in enumerate(fixed)}
    params = macs = 0
    for node in graph:
        at = index[node.key]
        if isinstance(node.op, Add):
            wide, *area = fixed.shapes[at]
            for source in node.inputs:
                c = fixed.shapes[index[graph.nodes[source].key]].channels
                params += (c * wide + 2 * wide) * (c != wide)
                macs += c * wide * area[0] * area[1] * (c != wide)
        else:
            params += node.op.params(*fixed.input_shapes(at))
            macs += node.op.macs(*fixed.input_shapes(at))
    cost = graph_cost(fixed)
    assert (cost.params, cost.macs) == (params, macs)


def test_a_sum_takes_the_widest_and_smallest():
    g = Builder()
    wide = g.input((8, 12, 5), key="wide")
    small = g.input((3, 4, 6), key="small")
    fixed = repair(g.graph(g.node(Add(), wide, small, key="sum")))
    assert fixed.shapes[-1] == (8, 4, 5)
    ops = {node.key: node.op for node in fixed}
    # 12 → 4 rows: windows of 3 every 3; 6 → 5 columns: windows of 2 every 1.
    assert ops["sum-repair0/avgpool"] == AvgPool((3, 1), (3, 1), padding=0)
    assert ops["sum-repair1/avgpool"] == AvgPool((1, 2), (1, 1), padding=0)
    assert ops["sum-repair1/conv2d"] == Conv2d(8, 1)
    assert "sum-repair0/conv2d" not in ops


def test_a_concatenation_is_not_projected():
    g = Builder()
    xs = [g.input((c, s, s), key=f"in{c}") for c, s in ((8, 12), (3, 5))]
    fixed = repair(g.graph(g.node(Concat(), *xs, key="cat")))
    assert fixed.shapes[-1] == (11, 5, 5)
    assert graph_cost(fixed).params == 0


def test_vectors_are_projected_without_bias():
    g = Builder()
    xs = [g.input((c,), key=f"in{c}") for c in (8, 3)]
    fixed = repair(g.graph(g.node(Add(), *xs, key="sum")))
    assert fixed.shapes[-1] == (8,)
    assert graph_cost(fixed).params == graph_cost(fixed).macs == 24


def test_maps_and_vectors_do_not_join():
    g = Builder()
    xs = g.input((8,), key="v"), g.input((8, 2, 2), key="m")
    with pytest.raises(GraphError, match=r"'sum' joins maps and vectors: 8, 8×2×2"):
        repair(g.graph(g.node(Add(), *xs, key="sum")))


def test_other_misfits_are_named_not_mended():
    g = Builder()
    with pytest.raises(GraphError, match="node 'fc'"):
        repair(g.graph(g.node(Linear(2), g.input((3, 4, 4)), key="fc")))


@given(st.integers(1, 40), st.integers(1, 40))
def test_pooling_to_an_exact_size_covers_everything(size, wanted):
    """Every row is read by some window: the last window ends at the last row."""
    size, wanted = max(size, wanted), min(size, wanted)
    g = Builder()
    xs = g.input((1, size, 1), key="large"), g.input((1, wanted, 1), key="small")
    fixed = repair(g.graph(g.node(Add(), *xs, key="sum")))
    assert fixed.shapes[-1] == (1, wanted, 1)
    for node in fixed:
        if isinstance(node.op, AvgPool):
            (kernel, _), (stride, _) = node.op.kernel, node.op.stride
            assert (wanted - 1) * stride + kernel == size
            assert kernel >= stride
