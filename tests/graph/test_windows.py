"""Window arithmetic against torch's own convolutions and pools."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from nascout.errors import GraphError
from nascout.graph import Builder, graph_cost
from nascout.graph.ops import AvgPool, Conv2d, DepthwiseConv2d, GlobalAvgPool, MaxPool


def sizes(low, high):
    one = st.integers(low, high)
    return one | st.tuples(one, one)


area = st.tuples(st.integers(1, 13), st.integers(1, 13))


def shape_here(op, shape):
    """The op's shape in a graph, or None where the graph refuses it."""
    g = Builder()
    graph = g.graph(g.node(op, g.input(shape), key="op"))
    try:
        return tuple(graph.shapes[-1])
    except GraphError:
        return None


def shape_torch(function, shape):
    try:
        return tuple(function(torch.zeros(1, *shape)).shape[1:])
    except RuntimeError:
        return None


@given(area, sizes(1, 5), sizes(1, 4), sizes(1, 3), sizes(0, 4))
def test_conv(area, kernel, stride, dilation, padding):
    op = Conv2d(4, kernel, stride, dilation=dilation, padding=padding)
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    weight = torch.zeros(4, 2, rows, columns)
    expected = shape_torch(
        lambda x: F.conv2d(x, weight, None, stride, padding, dilation), (2, *area)
    )
    assert shape_here(op, (2, *area)) == expected


@given(area, sizes(1, 5), sizes(1, 4), sizes(1, 3))
def test_default_padding_is_what_keeps_the_size(area, kernel, stride, dilation):
    op = DepthwiseConv2d(kernel, stride, dilation)
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    weight = torch.zeros(2, 1, rows, columns)
    expected = shape_torch(
        lambda x: F.conv2d(x, weight, None, stride, op.pads, dilation, groups=2), (2, *area)
    )
    assert shape_here(op, (2, *area)) == expected
    if rows % 2 and columns % 2:
        keeping = DepthwiseConv2d(kernel, 1, dilation)
        assert shape_here(keeping, (2, *area)) == (2, *area)


@given(area, sizes(1, 5), sizes(1, 4), sizes(0, 3), st.booleans())
def test_pools(area, kernel, stride, padding, ceil):
    compare_pools(area, kernel, stride, padding, ceil)


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_every_small_pool_along_one_side(stride):
    cases = itertools.product(range(1, 7), range(1, 4), range(2), (False, True))
    for size, kernel, padding, ceil in cases:
        compare_pools((size, 1), (kernel, 1), (stride, 1), (padding, 0), ceil)


def compare_pools(area, kernel, stride, padding, ceil):
    for op, function in (
        (AvgPool(kernel, stride, padding, ceil), F.avg_pool2d),
        (MaxPool(kernel, stride, padding, ceil), F.max_pool2d),
    ):

        def run(x, function=function):
            return function(x, kernel, stride, padding, ceil_mode=ceil)

        assert shape_here(op, (2, *area)) == shape_torch(run, (2, *area))


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (Conv2d(4, 0), "kernel must be at least 1"),
        (Conv2d(4, 3, stride=0), "stride must be at least 1"),
        (Conv2d(4, 3, dilation=(1, 0)), "dilation must be at least 1"),
        (Conv2d(0, 3), "out must be at least 1"),
        (Conv2d(4, 3, padding=-1), "padding must not be negative"),
        (Conv2d(4, 3, groups=2), "2 groups do not divide 3 and 4"),
        (Conv2d(4, 7, padding=0), "a window of 7 does not fit 5"),
        (AvgPool(2, padding=2), "more than half the kernel"),
        (MaxPool(3, padding=(0, 2)), "more than half the kernel"),
    ],
)
def test_refusals_name_the_node_and_the_reason(op, message):
    g = Builder()
    graph = g.graph(g.node(op, g.input((3, 5, 5)), key="stage1/here"))
    with pytest.raises(GraphError, match=message) as error:
        _ = graph.shapes
    assert "'stage1/here'" in str(error.value)
    assert "\n" not in str(error.value)


def test_vectors_have_no_windows():
    g = Builder()
    vector = g.node(GlobalAvgPool(), g.input((3, 5, 5)), key="mean")
    graph = g.graph(g.node(MaxPool(3), vector, key="pool"))
    with pytest.raises(GraphError, match=r"'pool'.*needs a map"):
        _ = graph.shapes


@given(
    st.tuples(st.integers(3, 9), st.integers(3, 9)),
    st.sampled_from([(4, 6, 1), (4, 6, 2), (4, 4, 4)]),
    sizes(1, 3),
    sizes(1, 2),
    st.booleans(),
)
def test_conv_cost(area, widths, kernel, stride, bias):
    c, out, groups = widths
    op = Conv2d(out, kernel, stride, groups, bias=bias)
    g = Builder()
    graph = g.graph(g.node(op, g.input((c, *area)), key="conv"))
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    tensors = {"weight": torch.zeros(out, c // groups, rows, columns)}
    if bias:
        tensors["bias"] = torch.zeros(out)
    result = F.conv2d(
        torch.zeros(1, c, *area), **tensors, stride=stride, padding=op.pads, groups=groups
    )
    assert tuple(graph.shapes[-1]) == tuple(result.shape[1:])
    assert op.weights(graph.shapes[0]) == {k: tuple(v.shape) for k, v in tensors.items()}
    cost = graph_cost(graph)
    assert cost.params == sum(v.numel() for v in tensors.values())
    # Every output value takes one filter's weights, and a bias.
    assert cost.macs == result.numel() * (tensors["weight"][0].numel() + bias)
