"""DARTS's recurrent cells: the released ones, their size, and their notation."""

import pytest

from nascout.errors import ArchitectureError
from nascout.graph import graph_cost
from nascout.space import SPACES

DARTS = SPACES["darts_rnn"]


@pytest.mark.parametrize("name", sorted(DARTS.known))
def test_the_published_size(name):
    """23M on Penn Treebank: 8 x 850 x 1700 behind 1700 x 1700, and 10,000 words with a bias."""
    space = DARTS()
    cell = graph_cost(space.parse(space.known[name]).graph()).params
    assert cell == 1700 * 1700 + 8 * 850 * 1700
    total = cell + 10_000 * (850 + 1)
    assert total == 22_960_000
    assert round(total / 1e6) == 23


def test_the_size_of_the_space():
    assert DARTS().size == 4**8 * 40_320


def test_the_wiring_of_the_released_cell():
    space = DARTS(width=2)
    graph = space.parse(space.known["darts_rnn_v2"]).graph()
    keys = {node.key: node for node in graph}
    sources = [0, 1, 1, 1, 2, 5, 3, 5]
    blends = ["node0/blend", *(f"{s}->{i}/blend" for i, s in enumerate(sources, 1))]
    for index, source in enumerate(sources, 1):
        _, _, carried = keys[blends[index]].inputs
        assert graph.nodes[carried].key == blends[source]
    assert [graph.nodes[i].key for i in keys["mean"].inputs] == blends[1:]
    assert graph.nodes[keys["node0/blend"].inputs[2]].key == "h"


def test_notation_as_released():
    space = DARTS(width=2)
    v1 = space.known["darts_rnn_v1"]
    assert str(space.parse(v1)) == v1
    assert space.parse(v1.replace(", concat=range(1, 9)", "")) == space.parse(v1)
    assert space.parse(v1.replace("range(1, 9)", "[1,2,3,4,5,6,7,8]")) == space.parse(v1)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("range(1, 9)", "range(9)", "malformed"),
        ("('relu', 0), ", "", "8 pairs"),
        ("('tanh', 2)", "('none', 2)", "'node3_op' of darts_rnn cannot be 'none'"),
        ("('tanh', 2)", "('tanh', 3)", "'node3_input' of darts_rnn cannot be '3'"),
        ("('tanh', 2)", "'tanh'", "malformed"),
        ("recurrent", "normal", "malformed"),
        ("concat", "reduce", "malformed"),
        ("[", "None, [", "malformed"),
    ],
)
def test_what_is_refused(old, new, problem):
    space = DARTS(width=2)
    text = space.known["darts_rnn_v1"]
    assert old in text
    with pytest.raises(ArchitectureError, match=problem):
        space.parse(text.replace(old, new, 1))
