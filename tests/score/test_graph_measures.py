"""Measures of degrees against networkx and definitions pair by pair."""

from itertools import combinations, product

import networkx as nx
import numpy as np
import pytest
from scipy.stats import entropy as kullback

from nascout.score import graph_measures as measures


@pytest.fixture(params=range(3))
def graph(request):
    """A random graph without isolated nodes."""
    made = nx.gnp_random_graph(15, 0.3, seed=request.param, directed=True)
    made.remove_nodes_from(list(nx.isolates(made)))
    return made


@pytest.fixture
def degrees(graph):
    return np.array([degree for _, degree in graph.degree()])


def test_edges_density_and_average_degree(graph, degrees):
    assert measures.edges(degrees) == graph.number_of_edges()
    assert measures.density(degrees) == pytest.approx(nx.density(graph))
    assert measures.average_degree(degrees) == pytest.approx(np.mean(degrees))


def test_wedges_are_pairs_of_edges_at_a_node(graph, degrees):
    at = [[*graph.in_edges(node), *graph.out_edges(node)] for node in graph]
    assert measures.wedges(degrees) == sum(len(list(combinations(found, 2))) for found in at)


def test_gini_is_the_mean_difference_over_twice_the_mean(degrees):
    difference = np.mean([abs(int(a) - int(b)) for a, b in product(degrees, degrees)])
    assert measures.gini(degrees) == pytest.approx(difference / (2 * np.mean(degrees)))


def test_entropy_is_log_n_less_the_divergence_from_equal_shares(degrees):
    n = len(degrees)
    expected = (np.log(n) - kullback(degrees, np.ones(n))) / n
    assert measures.entropy(degrees) == pytest.approx(expected)


def test_resilience_is_the_mean_degree_plus_its_index_of_dispersion(degrees):
    expected = np.mean(degrees) + np.var(degrees) / np.mean(degrees)
    assert measures.resilience(degrees) == pytest.approx(expected)


def test_a_regular_graph():
    """A ring of six: every degree is two."""
    ring = np.full(6, 2)
    assert measures.gini(ring) == 0
    assert measures.resilience(ring) == 2
    assert measures.entropy(ring) == pytest.approx(np.log(6) / 6)
