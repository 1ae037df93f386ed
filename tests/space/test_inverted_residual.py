"""The inverted residual block against the counts of its parts."""

import pytest

from nascout.graph import Builder, graph_cost
from nascout.graph.ops import Add
from nascout.space.inverted_residual import inverted_residual


def block(c_in, c_out, **options):
    g = Builder()
    x = g.input((c_in, 8, 8))
    options = {"expansion": 6, "kernel": 3, "stride": 1} | options
    return g.graph(inverted_residual(g, x, (c_in, c_out), key="block", **options))


@pytest.mark.parametrize("squeeze", [0, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("expansion", [1, 4])
def test_costs(expansion, kernel, stride, squeeze):
    """Convolutions of 1, k² and 1 taps, normalisations, and two biased layers of the gate."""
    c_in, c_out, inside, area = 4, 6, 4 * expansion, (8 // stride) ** 2
    options = {"expansion": expansion, "kernel": kernel, "stride": stride, "squeeze": squeeze}
    graph = block(c_in, c_out, **options)
    widen, narrow, gate = c_in * inside if expansion > 1 else 0, inside * c_out, 0
    filters = kernel**2 * inside
    if squeeze:
        gate = 2 * inside * squeeze + inside + squeeze
    norms = 2 * (inside * (1 + (expansion > 1)) + c_out)
    assert graph_cost(graph).params == widen + filters + narrow + gate + norms
    assert graph_cost(graph).macs == 64 * widen + area * (filters + narrow) + gate
    assert graph.shapes[-1] == (c_out, 8 // stride, 8 // stride)


@pytest.mark.parametrize(("c_out", "stride", "sums"), [(4, 1, 1), (4, 2, 0), (6, 1, 0), (6, 2, 0)])
def test_the_input_is_added_where_the_shape_is_kept(c_out, stride, sums):
    graph = block(4, c_out, stride=stride)
    assert sum(isinstance(node.op, Add) for node in graph) == sums
