"""Measures of degrees against networkx and definitions pair by pair."""

from itertools import combinations, product

import networkx as nx
import numpy as np
import pytest
from scipy.stats import entropy as kullback

from nascout.score import graph_measures as measures
from nascout.score.unit_graph import UnitGraph


@pytest.fixture(params=range(3))
def graphs(request):
    """A random graph without isolated nodes, as ours and as networkx holds it."""
    theirs = nx.gnp_random_graph(15, 0.3, seed=request.param, directed=True)
    source, target = np.array(theirs.edges).T
    # Numbers with gaps: units without an edge are no nodes.
    theirs.remove_nodes_from(list(nx.isolates(theirs)))
    return UnitGraph(3 * source, 3 * target), theirs


def test_nodes_edges_density_and_average_degree(graphs):
    ours, theirs = graphs
    degrees = [degree for _, degree in theirs.degree()]
    assert (ours.nodes, measures.edges(ours)) == (len(theirs), theirs.number_of_edges())
    assert measures.density(ours) == pytest.approx(nx.density(theirs))
    assert measures.average_degree(ours) == pytest.approx(np.mean(degrees))


def test_wedges_are_pairs_of_edges_at_a_node(graphs):
    ours, theirs = graphs
    at = [[*theirs.in_edges(node), *theirs.out_edges(node)] for node in theirs]
    assert measures.wedges(ours) == sum(len(list(combinations(found, 2))) for found in at)


def test_gini_is_the_mean_difference_over_twice_the_mean(graphs):
    ours, theirs = graphs
    degrees = [degree for _, degree in theirs.degree()]
    difference = np.mean([abs(a - b) for a, b in product(degrees, degrees)])
    assert measures.gini(ours) == pytest.approx(difference / (2 * np.mean(degrees)))


def test_entropy_is_log_n_less_the_divergence_from_equal_shares(graphs):
    ours, theirs = graphs
    degrees = [degree for _, degree in theirs.degree()]
    n = len(degrees)
    expected = (np.log(n) - kullback(degrees, np.ones(n))) / n
    assert measures.entropy(ours) == pytest.approx(expected)


def test_resilience_is_the_mean_degree_plus_its_index_of_dispersion(graphs):
    ours, theirs = graphs
    degrees = [degree for _, degree in theirs.degree()]
    expected = np.mean(degrees) + np.var(degrees) / np.mean(degrees)
    assert measures.resilience(ours) == pytest.approx(expected)


def test_a_regular_graph():
    """A ring of six: every degree is two."""
    ring = UnitGraph(np.arange(6), (np.arange(6) + 1) % 6)
    assert measures.gini(ring) == 0
    assert measures.resilience(ring) == 2
    assert measures.entropy(ring) == pytest.approx(np.log(6) / 6)
