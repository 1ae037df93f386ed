"""Gates: shapes, and what the digest makes of zeros."""

import pytest

from nascout.errors import GraphError
from nascout.graph import Builder, Graph, digest, graph_cost
from nascout.graph.gates import Multiply, ReLU6, Sigmoid, SiLU
from nascout.graph.ops import GlobalAvgPool, ReLU, Zero


def gated(*ops):
    """A map of 4 channels times a gate made by ``ops``."""
    g = Builder()
    x = g.input((4, 3, 5))
    return g.graph(g.node(Multiply(), x, g.chain(ops, x, key="gate"), key="scale"))


def test_shapes_and_costs():
    graph = gated(GlobalAvgPool(), SiLU(), Sigmoid())
    assert graph.shapes == ((4, 3, 5), (4,), (4,), (4,), (4, 3, 5))
    assert (graph_cost(graph).params, graph_cost(graph).macs) == (0, 0)
    assert Graph.from_json(graph.to_json()) == graph


@pytest.mark.parametrize(
    ("ops", "words"), [((), "a gate of 4 values, got 4×3×5"), ((ReLU(),), "a gate of 4 values")]
)
def test_a_gate_is_one_value_per_channel(ops, words):
    with pytest.raises(GraphError, match=words):
        _ = gated(*ops).shapes


def test_only_maps_are_gated():
    g = Builder()
    x = g.input((4,))
    with pytest.raises(GraphError, match="needs a map"):
        _ = g.graph(g.node(Multiply(), x, x, key="scale")).shapes


def test_zeros_pass_what_keeps_them():
    """silu(0) = 0 and sigmoid(0) = 1/2."""

    def after(op):
        g = Builder()
        zero = g.node(Zero(), g.input((4, 3, 5)), key="zero")
        return digest(g.graph(g.node(op, zero, key="op") if op else zero))

    assert after(SiLU()) == after(ReLU6()) == after(None) != after(Sigmoid())
