"""Unit graphs of many architectures are those of each alone."""

import random

import pytest

from nascout.errors import UnsupportedNetwork
from nascout.graph import Builder
from nascout.graph.ops import Conv2d
from nascout.network import build
from nascout.score.card import SCORES
from nascout.score.evaluate import evaluate
from nascout.score.nasgraph import unit_graph
from nascout.score.unit_population import unit_graphs
from nascout.space import SPACES

SMALL = {"input_shape": (3, 8, 8)}
MEASURES = [name for name in SCORES if name.startswith("nasgraph")]


def sampled(name, count, **parameters):
    space, rng = SPACES[name](**SMALL, **parameters), random.Random(1)
    return [space.sample(rng) for _ in range(count)]


def edges(graph):
    return graph.source.tolist(), graph.target.tolist()


@pytest.mark.parametrize("memory", [0, 2**30])
def test_each_has_the_edges_that_it_has_alone(memory):
    """Also where nothing can be kept."""
    graphs = [a.graph() for a in sampled("nasbench201", 4, channels=4, cells=1)]
    together = unit_graphs(graphs, memory, seed=3)
    for graph, found in zip(graphs, together, strict=True):
        assert edges(found) == edges(unit_graph(build(graph), seed=3))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("nasbench201", {"channels": 4, "cells": 1}), ("freeform", {"channels": 4})],
)
def test_every_measure_is_equal(name, parameters):
    architectures = sampled(name, 3, **parameters)
    together = evaluate(architectures, None, MEASURES)
    assert len(MEASURES) == 7
    assert together == [evaluate(one, None, MEASURES) for one in architectures]


def test_what_cannot_be_read_stops_none_of_the_others():
    class Unheard(Conv2d):
        pass

    def convolved(op):
        g = Builder()
        return g.graph(g.node(op, g.input((1, 4, 4)), key="conv"))

    ops = (Conv2d(2, 1), Unheard(2, 1), Conv2d(2, 9, padding=0), Conv2d(3, 1))
    card, graphs = SCORES["nasgraph_edges"], [convolved(op) for op in ops]
    first, unheard, unfit, last = card.at_once(graphs, None, seed=0, memory=2**20)
    assert isinstance(unheard, UnsupportedNetwork) and "Unheard" in str(unheard)
    assert isinstance(unfit, UnsupportedNetwork) and "does not fit" in str(unfit)
    assert [first, last] == [card(build(graphs[i]), None) for i in (0, 3)]
