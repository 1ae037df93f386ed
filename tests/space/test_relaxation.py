"""Spaces with several operations in one place, and back to one of each."""

import random

import pytest

from nascout.errors import ConfigError
from nascout.graph import Graph
from nascout.graph.mixing import Mixed
from nascout.graph.ops import BatchNorm
from nascout.space import SPACES
from nascout.space.darts_relaxation import DartsRelaxation

SMALL = {
    "darts": {"channels": 8, "cells": 3},
    "fbnet": {"channels": 8, "input_shape": (3, 32, 32)},
    "nasbench201": {"channels": 4, "cells": 1, "input_shape": (3, 8, 8)},
    "nasbench_macro": {"channels": 4, "input_shape": (3, 16, 16)},
    "proxylessnas": {"divisor": 8, "input_shape": (3, 32, 32)},
    "transnasbench101_micro": {"channels": 4, "cells": 1, "input_shape": (3, 32, 32)},
}


def relaxed(name):
    return SPACES[name](**SMALL[name]).relaxation()


def gates(graph):
    return {
        n.key.removeprefix("gates/"): graph.shapes[i].size
        for i, n in enumerate(graph)
        if n.key.startswith("gates/")
    }


def weights(relaxation, seed=0):
    rng = random.Random(seed)
    return {e.name: [rng.random() for _ in e.options] for e in relaxation.edges}


@pytest.mark.parametrize("name", sorted(SMALL))
def test_one_vector_of_gates_per_edge(name):
    relaxation = relaxed(name)
    graph = relaxation.graph()
    assert gates(graph) == {edge.name: len(edge.options) for edge in relaxation.edges}
    assert graph.shapes[graph.outputs[0]] == (relaxation.space.classes,)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_what_is_derived_is_of_the_space(name):
    relaxation = relaxed(name)
    for seed in range(5):
        architecture = relaxation.derive(weights(relaxation, seed))
        assert architecture.space == relaxation.space
        assert relaxation.space.parse(str(architecture)) == architecture


@pytest.mark.parametrize("name", sorted(set(SMALL) - {"darts"}))
def test_the_largest_weight_stays(name):
    relaxation = relaxed(name)
    wanted = relaxation.space.sample(random.Random(1))
    one_hot = {
        edge.name: [float(option == wanted.choices[edge.name]) for option in edge.options]
        for edge in relaxation.edges
    }
    assert relaxation.derive(one_hot) == wanted


def test_options_that_are_kept_keep_their_gates():
    relaxation = relaxed("nasbench201")
    graph = relaxation.graph({"0->1": ("nor_conv_1x1", "avg_pool_3x3")})
    mixed = next(n for n in graph if n.key == "stage1/cell0/0->1/mixed")
    assert mixed.op == Mixed((2, 4))
    assert not any("0->1/nor_conv_3x3" in node.key for node in graph)


def test_none_needs_no_node_among_others():
    def nones(graph):
        return sum("none" in node.key for node in graph)

    relaxation = relaxed("nasbench201")
    assert nones(relaxation.graph()) == 0
    assert nones(relaxation.graph({"0->1": ("none",)})) == 3  # one per stage


def test_a_space_that_cannot():
    with pytest.raises(ConfigError, match="mnasnet has no network with several operations"):
        SPACES["mnasnet"]().relaxation()


def params(graph: Graph, wanted=lambda node: True):
    return sum(p for node, (p, _) in zip(graph, graph.costs, strict=True) if wanted(node))


def test_darts_has_the_weights_of_the_released_search_network():
    """The released code prints 1.930618MB, where only the stem's normalisation has weights."""
    graph = SPACES["darts"](channels=16, cells=8).relaxation().graph()
    counted = params(graph, lambda n: not isinstance(n.op, BatchNorm) or n.key.startswith("stem"))
    assert counted == 1_930_618


def test_darts_keeps_two_inputs_and_never_none():
    space = SPACES["darts"](**SMALL["darts"])
    relaxation = space.relaxation()
    w = {edge.name: [0.9] + [0.01] * 7 for edge in relaxation.edges}  # none is the heaviest
    w["normal1->5"][4] = 0.05  # sep_conv_3x3
    w["normal3->5"][3] = 0.04  # skip_connect
    w["normal3->5"][6] = 0.03
    chosen = relaxation.derive(w)
    assert chosen.choices["normal5_inputs"] == "1,3"
    assert chosen.choices["normal5_op1"] == "sep_conv_3x3"
    assert chosen.choices["normal5_op2"] == "skip_connect"
    assert "none" not in chosen.values


def test_partial_channels_weigh_a_nodes_inputs():
    relaxation = DartsRelaxation(SPACES["darts"](**SMALL["darts"]), partial=4)
    w = {e.name: [0.5] * len(e.options) for e in relaxation.edges}
    w["reduce4_input"] = [0.1, 0.2, 0.3, 0.4]
    assert relaxation.derive(w).choices["reduce4_inputs"] == "2,3"
    whole = relaxed("darts")
    convolutions = lambda n: "sep_conv" in n.key and "conv2d" in n.key  # noqa: E731
    # A separable convolution of a quarter of the channels: 1x1 weights a sixteenth.
    pointwise = lambda n: convolutions(n) and "depthwise" not in n.key  # noqa: E731
    assert params(relaxation.graph(), pointwise) * 16 == params(whole.graph(), pointwise)


def test_partial_channels_must_divide():
    with pytest.raises(ConfigError, match="one in 3 of 8 channels"):
        DartsRelaxation(SPACES["darts"](**SMALL["darts"]), partial=3)
