"""Weights that many networks share."""

import random

import pytest
import torch

from nascout.errors import GraphError
from nascout.network import build
from nascout.network.supernet import Supernet
from nascout.space import SPACES

SPACE = SPACES["nasbench201"](channels=4, cells=1, input_shape=(3, 8, 8))
X = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
CELL = SPACE.sample(random.Random(3))


def one_hot(architecture, space=SPACE):
    return {
        c.name: torch.tensor(
            [float(option == architecture.choices[c.name]) for option in c.options]
        )
        for c in space.decisions
    }


def held(*graphs, **options):
    net = Supernet(**options)
    net.hold(*graphs)
    return net


@pytest.mark.parametrize("name", ["nasbench201", "nasbench101", "enas_micro", "mnasnet"])
def test_a_network_with_shared_weights_is_the_one_that_is_built(name):
    sizes = {"mnasnet": {"channels": 4}, "nasbench201": {"channels": 4, "cells": 1}}
    space = SPACES[name](**sizes.get(name, {"channels": 8}), input_shape=(3, 32, 32))
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    for seed in range(2):
        architecture = space.sample(random.Random(seed))
        net = held(architecture.graph(), affine=True)
        torch.testing.assert_close(net(architecture.graph(), x), build(architecture)(x))


def test_one_option_open_is_the_network_of_that_option():
    everything = SPACE.relaxation().graph()
    net = held(everything, CELL.graph())
    mixed = net(everything, X, gates=one_hot(CELL))
    torch.testing.assert_close(mixed, net(CELL.graph(), X))


def test_equal_places_have_equal_weights_and_others_their_own():
    net = held(CELL.graph())
    before = sum(p.numel() for p in net.parameters())
    net.hold(CELL.graph(), SPACE.parse(str(CELL)).graph())
    assert sum(p.numel() for p in net.parameters()) == before
    full = SPACE.relaxation().graph()
    net.hold(full)
    assert {n for n, _ in net.named_parameters()} == {n for n, _ in held(full).named_parameters()}


def test_shapes_of_one_place_may_differ():
    space = SPACES["nasbench101"](channels=8, stacks=1, cells=1, input_shape=(3, 8, 8))
    graphs = [space.sample(random.Random(seed)).graph() for seed in range(4)]
    net = held(*graphs)
    for graph in graphs:
        assert net(graph, X).shape == (6, 10)


def test_the_order_in_which_graphs_come_does_not_matter():
    graphs = [SPACE.sample(random.Random(seed)).graph() for seed in range(4)]
    one, other = held(*graphs), held(*graphs[::-1])
    states = one.state_dict(), other.state_dict()
    assert all(torch.equal(states[1][name], tensor) for name, tensor in states[0].items())
    assert len(states[0]) == len(states[1])


def test_what_is_missing_or_too_much():
    everything = SPACE.relaxation().graph()
    net = held(everything)
    with pytest.raises(GraphError, match="no gates '0->1' were given"):
        net(everything, X)
    with pytest.raises(GraphError, match="nothing was given for the input 'input'"):
        net(everything, gates=one_hot(CELL))
    with pytest.raises(GraphError, match="1 inputs too many"):
        net(everything, X, X, gates=one_hot(CELL))
