"""Measures of a directed graph that are functions of its degrees."""

from __future__ import annotations

import numpy as np
from scipy.stats import entropy as shannon_entropy

from nascout.score.unit_graph import UnitGraph

__all__ = ["average_degree", "density", "edges", "entropy", "gini", "resilience", "wedges"]


def average_degree(graph: UnitGraph) -> float:
    """Mean over nodes of the edges in and out: 2 · edges / nodes.

    >>> path = UnitGraph(np.array([0, 1]), np.array([1, 2]))
    >>> path.degrees.tolist(), round(average_degree(path), 3)
    ([1, 2, 1], 1.333)
    """
    return 2 * graph.edges / graph.nodes


def edges(graph: UnitGraph) -> float:
    """Number of edges.

    >>> edges(UnitGraph(np.array([0, 1]), np.array([1, 2])))
    2.0
    """
    return float(graph.edges)


def density(graph: UnitGraph) -> float:
    """Edges over ordered pairs of nodes: edges / (nodes · (nodes - 1)).

    >>> density(UnitGraph(np.array([0, 0]), np.array([1, 2])))
    0.3333333333333333
    """
    return graph.edges / (graph.nodes * (graph.nodes - 1))


def resilience(graph: UnitGraph) -> float:
    """Mean squared degree over mean degree.

    >>> resilience(UnitGraph(np.array([0, 1]), np.array([1, 2])))
    1.5
    """
    return float(np.square(graph.degrees).sum() / graph.degrees.sum())


def wedges(graph: UnitGraph) -> float:
    """Pairs of edges that share a node, whatever their directions: Σ d (d - 1) / 2.

    >>> wedges(UnitGraph(np.array([0, 0, 0]), np.array([1, 2, 3])))
    3.0
    """
    return float((graph.degrees * (graph.degrees - 1) // 2).sum())


def entropy(graph: UnitGraph) -> float:
    """Entropy, in nats, of each node's share of all degrees, over the number of nodes.

    >>> round(entropy(UnitGraph(np.array([0, 1]), np.array([1, 2]))), 4)  # shares 1/4, 1/2, 1/4
    0.3466
    """
    return float(shannon_entropy(graph.degrees)) / graph.nodes


def gini(graph: UnitGraph) -> float:
    """Gini coefficient of the degrees: 0 if they are equal, towards 1 if few nodes have all.

    >>> gini(UnitGraph(np.array([0, 1]), np.array([1, 2])))  # degrees 1, 1, 2
    0.16666666666666666
    """
    degrees, n = np.sort(graph.degrees), graph.nodes
    ranks = np.arange(1, n + 1)
    return float((2 * ranks - n - 1) @ degrees / (n * degrees.sum()))
