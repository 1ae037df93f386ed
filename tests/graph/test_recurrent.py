"""Operations of recurrent cells: what fits, and what the digest takes for the same."""

import pytest

from nascout.errors import GraphError
from nascout.graph import Builder, digest, graph_cost
from nascout.graph.ops import Linear, ReLU, Zero
from nascout.graph.recurrent import Blend, Hadamard, LeakyReLU, Mean, Tanh


def of(op, *order):
    """``op`` on three vectors, taken in an ``order``."""
    g = Builder()
    x = g.input((4,))
    xs = [
        g.node(made, x, key=key) for made, key in ((Tanh(), "a"), (ReLU(), "b"), (Linear(4), "c"))
    ]
    return g.graph(g.node(op, *(xs[i] for i in order), key="end"))


@pytest.mark.parametrize("op", [Hadamard(), Mean(), Blend()])
def test_inputs_of_one_shape(op):
    assert of(op, 0, 1, 2).shapes[-1] == (4,)
    g = Builder()
    x = g.input((4,))
    y = g.node(Linear(3), x, key="narrow")
    with pytest.raises(GraphError, match=r"'end'.*needs equal shapes, got 4, 3, 4"):
        _ = g.graph(g.node(op, x, y, x, key="end")).shapes


def test_only_a_blend_has_an_order():
    for op in (Hadamard(), Mean()):
        assert digest(of(op, 0, 1, 2)) == digest(of(op, 2, 0, 1))
    digests = {digest(of(Blend(), *order)) for order in ((0, 1, 2), (1, 0, 2), (0, 2, 1))}
    assert len(digests) == 3


def test_only_the_matrix_costs():
    assert graph_cost(of(Blend(), 0, 1, 2)).params == graph_cost(of(Mean(), 2)).macs == 4 * 4 + 4


@pytest.mark.parametrize("op", [Tanh(), LeakyReLU(), Hadamard(), Mean(), Blend()])
def test_zeros_in_zeros_out(op):
    """Exact for all five: a network behind zeros does not depend on which of them it is."""
    g = Builder()
    x = g.node(Zero(), g.input((4,)), key="zero")
    graph = g.graph(g.node(op, *[x] * (op.arity or 2), key="end"))
    g = Builder()
    assert digest(graph) == digest(g.graph(g.node(Zero(), g.input((4,)), key="zero")))
