"""ENAS's recurrent cells: the released one in two notations, sizes, what is averaged."""

from math import factorial

import pytest

from nascout.errors import ArchitectureError
from nascout.graph import graph_cost
from nascout.graph.recurrent import Mean
from nascout.space import SPACES
from nascout.space.enas_rnn import OPS

ENAS = SPACES["enas_rnn"]


def released():
    space = ENAS()
    return space.parse(space.known["enas_rnn"])


def test_the_released_cell_is_the_one_that_darts_retrained():
    """DARTS lists the same cell with other numbers, and names the nodes of its mean."""
    pairs = [
        *(("tanh", 0), ("tanh", 1), ("relu", 1), ("tanh", 3), ("tanh", 3), ("relu", 3)),
        *(("relu", 4), ("relu", 7), ("relu", 8), ("relu", 8), ("relu", 8)),
    ]
    text = " ".join(["0", *(f"{source} {OPS.index(op)}" for op, source in pairs)])
    again = ENAS().parse(text)
    assert again != released()
    assert again.digest == released().digest
    assert again.space.averaged(again.space.steps(again.choices)) == (2, 5, 6, 9, 10, 11)


def test_the_size_of_the_network():
    """4 matrices of 748 x 748 in the first node, 2 in each of eleven; see the class for 24M."""
    params = graph_cost(released().graph()).params
    assert params == (4 + 2 * 11) * 748**2
    assert params + 10_000 * (748 + 1) == 22_037_104


def test_the_size_of_the_space():
    assert ENAS().size == 4**12 * factorial(11)


def test_one_loose_end_needs_no_mean():
    chain = ENAS(width=2, nodes=3).parse("0 0 1 1 1").graph()
    assert not any(isinstance(node.op, Mean) for node in chain)
    assert chain.nodes[chain.outputs[0]].key == "1->2/blend"
    fork = ENAS(width=2, nodes=3).parse("0 0 1 0 1").graph()
    assert len(fork.nodes[fork.outputs[0]].inputs) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0 0 1", "3 numbers for 3 nodes"),
        ("0 0 4 0 1", "'node1_op'"),
        ("0 0 1 2 1", "'node2_input'"),
    ],
)
def test_what_is_refused(text, problem):
    with pytest.raises(ArchitectureError, match=problem):
        ENAS(nodes=3).parse(text)
