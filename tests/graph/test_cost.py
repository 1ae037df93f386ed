"""Costs against closed forms, peak memory against a simulation that keeps whole sets."""

import random

from hypothesis import given
from hypothesis import strategies as st

from nascout.graph import Builder, graph_cost, peak_activation_bytes
from nascout.graph.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    DepthwiseConv2d,
    GlobalAvgPool,
    Identity,
    Linear,
    MaxPool,
    ReLU,
    Zero,
)
from nascout.records import Cost


def cost_of(op, *shapes):
    g = Builder()
    inputs = [g.input(shape, key=f"in{i}") for i, shape in enumerate(shapes)]
    cost = graph_cost(g.graph(g.node(op, *inputs, key="op")))
    return cost.params, cost.macs


def test_closed_forms():
    c, h, w, k, out = 6, 10, 12, 3, 4
    x = (c, h, w)
    assert cost_of(Conv2d(out, k), x) == (c * out * k * k, c * out * k * k * h * w)
    assert cost_of(Conv2d(out, k, 2), x) == (c * out * k * k, c * out * k * k * h * w // 4)
    assert cost_of(Conv2d(out, k, groups=2), x) == (c * out * k * k // 2, c * out * k * k * 60)
    biased = c * out * k * k + out
    assert cost_of(Conv2d(out, k, bias=True), x) == (biased, biased * h * w)
    assert cost_of(DepthwiseConv2d(k), x) == (c * k * k, c * k * k * h * w)
    assert cost_of(DepthwiseConv2d((1, 5)), x) == (c * 5, c * 5 * h * w)
    assert cost_of(Linear(out), (c,)) == (c * out + out, c * out + out)
    assert cost_of(Linear(out, bias=False), (c,)) == (c * out, c * out)
    assert cost_of(BatchNorm(), x) == (2 * c, 0)
    for free in (BatchNorm(affine=False), ReLU(), Identity(), Zero(), AvgPool(3), MaxPool(2, 2)):
        assert cost_of(free, x) == (0, 0)
    assert cost_of(GlobalAvgPool(), x) == cost_of(Add(), x, x) == cost_of(Concat(), x, x) == (0, 0)


def test_everything_counts_used_or_not():
    g = Builder()
    x = g.input((2, 4, 4))
    g.node(Conv2d(3, 1), x, key="unread")
    cost = graph_cost(g.graph(x))
    assert (cost.params, cost.macs) == (6, 96)


def test_flops_are_twice_the_macs():
    cost = Cost(params=1, macs=21, activation_bytes=4)
    assert cost.flops == 42
    assert cost.as_dict() == {"params": 1, "macs": 21, "flops": 42, "activation_bytes": 4}


def peak_by_sets(graph):
    """At every step, every tensor made so far that this step or a later one still needs."""
    root = {}
    for i, node in enumerate(graph):
        root[i] = root[node.inputs[0]] if isinstance(node.op, Identity) else i
    peak = 0
    for now in range(len(graph)):
        needed = {root[now]} | {root[o] for o in graph.outputs}
        for later in range(now, len(graph)):
            needed |= {root[s] for s in graph.nodes[later].inputs}
        alive = {r for r in needed if r <= now}
        peak = max(peak, sum(graph.shapes[r].size for r in alive))
    return peak


def random_maps(seed):
    rng = random.Random(seed)
    g = Builder()
    nodes = [g.input((rng.randint(1, 4), 8, 8))]
    for i in range(rng.randint(1, 12)):
        source = rng.choice(nodes[-4:])
        op = rng.choice((Conv2d(rng.randint(1, 9), 3), ReLU(), Identity(), Concat(), Zero()))
        sources = [source, rng.choice(nodes)] if isinstance(op, Concat) else [source]
        nodes.append(g.node(op, *sources, key=f"n{i}"))
    return g.graph(*rng.sample(nodes, rng.randint(1, min(2, len(nodes)))))


@given(st.integers(0, 10**6))
def test_peak_against_a_brute_force_simulation(seed):
    graph = random_maps(seed)
    assert peak_activation_bytes(graph, 1) == peak_by_sets(graph)


def test_peak_by_hand():
    def peak(*outputs):
        return peak_activation_bytes(g.graph(*outputs), bytes_per_value=1)

    g = Builder()
    x = g.input((1, 2, 2))  # 4
    assert peak(x) == 4
    a = g.node(Conv2d(2, 1), x, key="a")  # 8, with x: 12
    assert peak(a) == 12
    b = g.node(Conv2d(4, 1), a, key="b")  # 16, with a: 24; x is gone
    assert peak(b) == 24
    assert peak(b, x) == 28  # x is an output and stays
    g.node(Add(), x, x, key="unread")  # x must wait for this, so b's step holds x, a, b
    assert peak(b) == 28


def test_an_identity_is_its_input():
    g = Builder()
    x = g.input((1, 2, 2))
    y = g.node(Identity(), x, key="same")
    assert peak_activation_bytes(g.graph(y), 4) == 16
    z = g.node(ReLU(), y, key="relu")
    assert peak_activation_bytes(g.graph(z), 1) == 8
    # Its output keeps the input alive, though nothing reads the input itself any more.
    w = g.node(ReLU(), z, key="relu2")
    assert peak_activation_bytes(g.graph(w, y), 1) == 12
