"""The space without end: what of the conformance battery applies, shapes, what it refuses."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import graph_cost
from nascout.search import STRATEGIES
from nascout.space import Architecture
from nascout.space.genome import SMALLEST
from nascout.space.growing import Growing
from nascout.testing import space as battery

SPACE = Growing(channels=2, classes=3, input_shape=(1, 9, 6))
CELL = "0569d752:conv_3x3*2/2<in|out<in,0569d752"


@pytest.mark.parametrize("space", [SPACE, Growing(channels=1, grown=9, input_shape=(3, 1, 1))])
def test_it_conforms_but_for_codes_and_lists_of_options(space, monkeypatch):
    monkeypatch.delitem(battery._PROMISES, "one-hot round trip")
    monkeypatch.setattr(battery, "_decisions", lambda space: None)
    battery.check_space(space, samples=12)


@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 33), st.integers(1, 33))
def test_every_genome_fits_every_input(seed, channels, height, width):
    space = Growing(channels=3, grown=12, classes=4, input_shape=(channels, height, width))
    graph = space.sample(random.Random(seed)).graph()
    assert graph.shapes[-1] == (4,) and len(graph.outputs) == 1 and all(graph.live)


@given(st.integers(0, 10**6))
def test_children_of_any_two_are_networks(seed):
    rng = random.Random(seed)
    one, other = SPACE.sample(rng), SPACE.sample(rng)
    mine, yours = SPACE.genome(one), SPACE.genome(other)
    child = SPACE.genome(SPACE.crossover(one, other, rng))
    assert set(child.edges) == set(mine.edges) and set(child.layers) == set(mine.layers)
    for name, layer in child.layers.items():
        assert layer in (mine.layers[name], yours.layers.get(name, mine.layers[name]))
    for edge, on in child.edges.items():
        assert on in (mine.edges[edge], yours.edges.get(edge, mine.edges[edge]))


def test_an_edge_off_in_one_parent_is_off_in_three_children_of_four():
    one = SPACE.parse("0569d752:conv_3x3*1/1<in|out<in,0569d752")
    other = SPACE.parse("0569d752:conv_3x3*1/1<in|out<-in,0569d752")
    rng = random.Random(0)
    children = [SPACE.crossover(one, other, rng) for _ in range(2000)]
    off = sum(child == other for child in children)
    assert off + sum(child == one for child in children) == 2000
    assert abs(off - 1500) < 4 * (2000 * 0.75 * 0.25) ** 0.5


def test_a_small_genome_costs_what_it_should():
    """By hand: stem, a 3x3 convolution to twice the width at half the size, the skip repaired."""
    skip, layer, head = 2 * 4 + 2 * 4, 9 * 2 * 4 + 2 * 4, 2 * 4 + 4 * 3 + 3
    cost = graph_cost(SPACE.parse(CELL).graph())
    assert cost.params == (9 * 2 + 2 * 2) + layer + skip + head


def test_growth_keeps_the_nodes_that_were_there():
    """A layer on an edge: everything else has the key and the weights it had."""
    small = SPACE.parse("0569d752:conv_3x3*1/1<in|out<-in,0569d752")
    large = SPACE.grow(SPACE.genome(small).split(("0569d752", "out"), "conv_3x3"))
    before = {node.key: (node.op, call.inputs) for node, call in calls(small)}
    after = {node.key: (node.op, call.inputs) for node, call in calls(large)}
    assert before.items() < after.items()


def calls(architecture):
    graph = architecture.graph()
    return zip(graph.nodes, graph.calls, strict=True)


def test_there_is_no_largest_graph():
    genome = SMALLEST
    for _ in range(60):
        newest = next((a, b) for (a, b), on in reversed(genome.edges.items()) if on)
        genome = genome.split(newest, "conv_1x1")
    architecture = SPACE.grow(genome)
    assert len(SPACE.genome(architecture).live) == 62
    assert Architecture.from_json(architecture.to_json()) == architecture


def test_samples_are_small_on_average():
    rng = random.Random(0)
    layers = [len(SPACE.genome(SPACE.sample(rng)).layers) for _ in range(400)]
    assert layers.count(0) / 400 == pytest.approx(1 / 5, abs=0.08) and max(layers) > 4


def test_texts_that_are_not_in_order_are_read_but_are_no_values():
    backwards = "out<in,0569d752|0569d752:conv_3x3*2/2<in"
    assert str(SPACE.parse(backwards)) == CELL
    with pytest.raises(ArchitectureError, match="order"):
        Architecture(SPACE, (backwards,))
    with pytest.raises(ArchitectureError, match="dil_conv_3x3"):
        SPACE.parse(CELL.replace("conv_3x3", "dil_conv_3x3"))


@pytest.mark.parametrize("name", ["optuna", "nsga2", "reinforce"])
def test_strategies_that_need_a_list_say_so(name):
    from nascout.testing.strategy import _succeeds, fold

    with pytest.raises(ConfigError, match="no end"):
        fold(STRATEGIES[name](budget=4), SPACE, 0, _succeeds)


@pytest.mark.parametrize("what", [lambda s: s.encode(s.parse(CELL)), lambda s: s.decode([1]), list])
def test_it_has_no_codes_and_no_end(what):
    with pytest.raises(ConfigError, match="no end"):
        what(SPACE)


@pytest.mark.parametrize("operations", [(), ("conv_9x9",)])
def test_operations_are_checked(operations):
    with pytest.raises(ConfigError, match="operations"):
        Growing(operations=operations)
