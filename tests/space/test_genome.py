"""Names, orders and innovations of genomes, against networkx and by hand."""

import random

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascout.errors import ArchitectureError
from nascout.space.genome import SMALLEST, Genome, Layer

OPS = ("conv_1x1", "conv_3x3", "max_pool_3x3")
THROUGH = ("in", "out")


def grown(seed, steps):
    """A genome after so many random innovations, and all on the way."""
    rng = random.Random(seed)
    line = [SMALLEST]
    for _ in range(steps):
        kinds = [edits for edits in line[-1].edits(OPS).values() if edits]
        line.append(rng.choice(rng.choice(kinds))())
    return line


GENOMES = st.builds(lambda seed, steps: grown(seed, steps)[-1], st.integers(), st.integers(0, 25))


def test_a_split_puts_a_layer_on_an_edge_that_goes_off():
    one = SMALLEST.split(THROUGH, "conv_3x3")
    (name,) = one.layers
    assert one.layers[name] == Layer("conv_3x3", 1, 1)
    assert one.edges == {THROUGH: False, ("in", name): True, (name, "out"): True}
    wide = one.change(name, width=4).split((name, "out"), "conv_1x1")
    assert sorted(layer.width for layer in wide.layers.values()) == [4, 4]


def test_the_same_innovation_has_the_same_name_whatever_came_before():
    """Two histories that meet: the edge of a layer's own is split after other things happened."""
    first = SMALLEST.split(THROUGH, "conv_3x3")
    (name,) = first.layers
    one = first.split((name, "out"), "conv_1x1")
    other = first.switch(THROUGH).change(name, op="max_pool_3x3").split(("in", name), "conv_3x3")
    other = other.split((name, "out"), "conv_3x3")
    assert set(one.layers) < set(other.layers) and set(one.edges) < set(other.edges)


def test_an_edge_split_twice_gives_two_layers():
    twice = SMALLEST.split(THROUGH, "conv_1x1").switch(THROUGH).split(THROUGH, "conv_1x1")
    assert len(twice.layers) == 2 and len(twice.edges) == 5
    assert len(twice.live) == 4


@given(GENOMES)
def test_text_gives_the_genome_back(genome):
    text = str(genome)
    assert Genome.parse(text) == genome and str(Genome.parse(text)) == text
    parts = text.split("|")
    assert str(Genome.parse("|".join(reversed(parts)))) == text


@given(GENOMES)
def test_order_and_paths_are_those_of_networkx(genome):
    graph = nx.DiGraph(list(genome.edges))
    place = {name: i for i, name in enumerate(genome.order)}
    assert set(place) == set(graph) and nx.is_directed_acyclic_graph(graph)
    assert all(place[a] < place[b] for a, b in graph.edges)
    on = nx.DiGraph([edge for edge, is_on in genome.edges.items() if is_on])
    paths = nx.ancestors(on, "out") & nx.descendants(on, "in") | {"in", "out"}
    assert set(genome.live) == paths


@given(GENOMES)
def test_edges_to_add_are_all_that_close_no_cycle(genome):
    graph = nx.DiGraph(list(genome.edges))
    closure = nx.transitive_closure(graph)
    wanted = {
        (a, b)
        for a in graph
        for b in graph
        if a not in ("out", b) and b != "in"
        if not closure.has_edge(b, a) and not graph.has_edge(a, b)
    }
    added = [edit() for edit in genome.edits(OPS)["connect"]]
    assert {next(iter(set(one.edges) - set(genome.edges))) for one in added} == wanted
    assert len(added) == len(wanted)


@given(GENOMES)
def test_every_edit_is_another_genome_and_keeps_every_name(genome):
    edited = [edit() for edits in genome.edits(OPS).values() for edit in edits]
    assert len({str(one) for one in edited}) == len(edited)
    for one in edited:
        assert str(one) != str(genome)
        assert set(genome.layers) <= set(one.layers) and set(genome.edges) <= set(one.edges)


def test_the_smallest_can_only_be_split():
    assert {kind: len(edits) for kind, edits in SMALLEST.edits(OPS).items()} == {
        "split": 3, "connect": 0, "operation": 0, "width": 0, "stride": 0, "switch": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "out",
        "out<",
        "out<-in",
        "out<in|out<in",
        "out<in,-in",
        "out<in,0569d752",
        "0569d752:conv_3x3*1/1<in|out<in",
        "0569d752:conv_3x3*0/1<in|out<0569d752",
        "0569d752:conv_3x3*1/3<in|out<0569d752",
        "0569d752:conv_3x3*1/1<in|0569d752:conv_1x1*1/1<in|out<0569d752",
        "00000001:a*1/1<00000002|00000002:a*1/1<in,00000001|out<00000002",
        "0569d752:conv_3x3*1/1<out|out<in,0569d752",
    ],
)
def test_what_is_no_genome_is_refused(text):
    with pytest.raises(ArchitectureError):
        Genome.parse(text)
