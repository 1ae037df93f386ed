"""Cuts: shapes, and what the digest makes of blanks."""

import pytest

from nascout.errors import GraphError
from nascout.graph import Builder, Graph, digest, draw
from nascout.graph.cuts import Blank, Pad, Shift, Shuffle, Truncate
from nascout.graph.ops import Conv2d


def applied(op, shape=(4, 3, 5)):
    g = Builder()
    return g.graph(g.node(op, g.input(shape), key="cell/op"))


@pytest.mark.parametrize(
    ("op", "shape"),
    [
        (Truncate(3), (3, 3, 5)),
        (Truncate(4), (4, 3, 5)),
        (Shift(), (4, 3, 5)),
        (Shuffle(2), (4, 3, 5)),
        (Pad(3, 5), (4, 3, 5)),
        (Pad(7, 6), (4, 7, 6)),
        (Blank(6), (6, 3, 5)),
        (Blank(6, 2), (6, 2, 3)),
        (Blank(1, 4), (1, 1, 2)),
    ],
)
def test_shapes_and_json(op, shape):
    graph = applied(op)
    assert graph.shapes[-1] == shape
    assert Graph.from_json(graph.to_json()) == graph
    assert draw(graph).startswith("<svg")


def test_a_vector_is_truncated_too():
    assert applied(Truncate(2), (5,)).shapes[-1] == (2,)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_a_blank_has_the_shape_of_a_convolution(size, stride):
    blank = applied(Blank(6, stride), (4, size, size))
    for kernel in (1, 3):
        assert blank.shapes == applied(Conv2d(6, kernel, stride), (4, size, size)).shapes


@pytest.mark.parametrize(
    ("op", "shape", "words"),
    [
        (Truncate(5), (4, 3, 5), "5 channels of 4"),
        (Truncate(0), (4, 3, 5), "out must be at least 1"),
        (Shift(), (4,), "needs a map"),
        (Shuffle(3), (4, 3, 5), "3 groups do not divide 4"),
        (Shuffle(0), (4, 3, 5), "groups must be at least 1"),
        (Pad(3, 4), (4, 3, 5), "Pad cannot make 3×4 of 4×3×5"),
        (Pad(2, 5), (4, 3, 5), "Pad cannot make 2×5"),
        (Pad(3, 5), (4,), "needs a map"),
        (Blank(2), (4,), "needs a map"),
        (Blank(2, 0), (4, 3, 5), "stride must be at least 1"),
    ],
)
def test_what_does_not_fit(op, shape, words):
    with pytest.raises(GraphError, match=words):
        _ = applied(op, shape).shapes


def test_a_blank_in_a_sum_is_nothing():
    def network(blank):
        g = Builder()
        x = g.input((4, 6, 6))
        terms = [g.node(Conv2d(8, 3, 2), x, key="conv")]
        terms += [g.node(Blank(8, 2), x, key="none")] if blank else []
        return g.graph(g.add(*terms, key="sum"))

    assert digest(network(True)) == digest(network(False))
