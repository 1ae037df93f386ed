"""Cells that are the same network share a digest; a digest says params and MACs."""

import random
from collections import defaultdict

import pytest

from nascout.graph import graph_cost
from nascout.space import SPACES, Architecture

NONE, SKIP, CONV1, CONV3, POOL = (
    "none",
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "avg_pool_3x3",
)


@pytest.fixture(scope="module")
def tiny():
    return SPACES["nasbench201"](channels=2, cells=1, classes=3, input_shape=(1, 4, 4))


def digest(space, *values):
    """Of the cell with these operations on 0->1, 0->2, 1->2, 0->3, 1->3, 2->3."""
    return Architecture(space, values).digest


@pytest.mark.parametrize("seed", range(10))
def test_nodes_1_and_2_swap_where_no_edge_joins_them(tiny, seed):
    rng = random.Random(seed)
    a, b, c, d, e = (rng.choice((NONE, SKIP, CONV1, CONV3, POOL)) for _ in range(5))
    assert digest(tiny, a, b, NONE, c, d, e) == digest(tiny, b, a, NONE, c, e, d)


def test_a_skip_makes_two_nodes_one(tiny):
    one = digest(tiny, SKIP, NONE, CONV3, NONE, NONE, POOL)
    assert one == digest(tiny, NONE, CONV3, NONE, NONE, NONE, POOL)
    assert one == digest(tiny, CONV3, NONE, SKIP, NONE, NONE, POOL)
    assert one == digest(tiny, CONV3, NONE, NONE, NONE, POOL, NONE)
    assert one == digest(tiny, CONV3, NONE, POOL, NONE, NONE, SKIP)


def test_edges_out_of_nothing_are_nothing(tiny):
    """Node 1 receives nothing, so skips and pools out of it do not count."""
    assert (
        len(
            {
                digest(tiny, NONE, CONV3, a, NONE, b, SKIP)
                for a in (NONE, SKIP, POOL)
                for b in (NONE, SKIP, POOL)
            }
        )
        == 1
    )


def test_all_dead_cells_without_convolutions_are_one(tiny):
    dead = {
        Architecture(tiny, values).digest
        for values in ((NONE,) * 6, (SKIP, NONE, NONE, NONE, NONE, POOL), (POOL,) + (NONE,) * 5)
    }
    assert len(dead) == 1


def test_what_differs(tiny):
    base = (CONV3, NONE, POOL, NONE, NONE, SKIP)
    others = [
        (POOL, NONE, CONV3, NONE, NONE, SKIP),  # order of a path
        (CONV3, NONE, POOL, NONE, NONE, NONE),  # the convolution is dead
        (CONV3, CONV3, POOL, NONE, NONE, NONE),  # two are
        (CONV3, NONE, CONV1, NONE, NONE, SKIP),
        (CONV3, SKIP, POOL, NONE, NONE, SKIP),
    ]
    assert len({digest(tiny, *values) for values in [base, *others]}) == 6


def test_skeletons_differ():
    values = (CONV3, NONE, POOL, NONE, NONE, SKIP)
    skeletons = [{}, {"channels": 8}, {"cells": 4}, {"classes": 11}, {"input_shape": (3, 16, 16)}]
    made = {digest(SPACES["nasbench201"](**skeleton), *values) for skeleton in skeletons}
    assert len(made) == len(skeletons)


@pytest.mark.parametrize("name", ["nasbench201", "freeform"])
def test_equal_digests_mean_equal_params_and_macs(name):
    skeleton = {"cells": 1} if name == "nasbench201" else {"depth": 3}
    space = SPACES[name](channels=2, classes=3, input_shape=(1, 4, 4), **skeleton)
    rng = random.Random(0)
    costs = defaultdict(set)
    for _ in range(400):
        arch = space.sample(rng)
        cost = graph_cost(arch.graph())
        costs[arch.digest].add((cost.params, cost.macs))
    assert all(len(found) == 1 for found in costs.values())
    assert len(costs) > 100


def canonical(values):
    """A cell by hand: its output as nested sorted sums, and every convolution, read or not.

    A node is the sorted sum of the terms that are not nothing; one term alone is itself.
    """
    convolutions = []
    nodes = ["x"]
    for j, edges in ((1, (0,)), (2, (1, 2)), (3, (3, 4, 5))):
        terms = []
        for i, edge in enumerate(edges):
            source, value = nodes[i], values[edge]
            if value in (CONV1, CONV3):
                term = f"{value}({source})"
                convolutions.append(term)
            elif value == NONE or not source:
                term = ""
            else:
                term = source if value == SKIP else f"{value}({source})"
            terms.append(term)
        terms = sorted(term for term in terms if term)
        nodes.append(terms[0] if len(terms) == 1 else f"[{'+'.join(terms)}]" if terms else "")
        assert j == len(nodes) - 1
    return nodes[3], tuple(sorted(convolutions))


@pytest.mark.slow
def test_the_whole_space_by_hand(tiny):
    """The digests make the classes that nested sums and the list of convolutions make.

    But for four: of two equal convolutions of x, one read, a third and unread convolution reads
    either the one or the other. Strings do not tell them apart, the digest does.
    """
    digests = defaultdict(set)
    for arch in tiny:
        digests[canonical(arch.values)].add(arch.digest)
    assert sum(map(len, digests.values())) == len(set().union(*digests.values()))
    split = {by_hand: found for by_hand, found in digests.items() if len(found) > 1}
    expected = set()
    for near in (CONV1, CONV3):
        first = f"{near}(x)"
        for far in (CONV1, CONV3):
            expected.add((first, tuple(sorted([first, first, f"{far}({first})"]))))
    assert set(split) == expected
    assert all(len(found) == 2 for found in split.values())
