"""Measures of a directed graph that are functions of its degrees.

They take the number of edges, in and out, of every node; each node has at least one.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import entropy as shannon_entropy

from nascout.score.unit_steps import Indices

__all__ = ["average_degree", "density", "edges", "entropy", "gini", "resilience", "wedges"]


def average_degree(degrees: Indices) -> float:
    """Mean over nodes of the edges in and out: 2 · edges / nodes.

    >>> round(average_degree(np.array([1, 2, 1])), 3)  # two edges in a row
    1.333
    """
    return float(degrees.sum() / len(degrees))


def edges(degrees: Indices) -> float:
    """Number of edges: half the sum of the degrees.

    >>> edges(np.array([1, 2, 1]))
    2.0
    """
    return float(degrees.sum() / 2)


def density(degrees: Indices) -> float:
    """Edges over ordered pairs of nodes: edges / (nodes · (nodes - 1)).

    >>> density(np.array([2, 1, 1]))
    0.3333333333333333
    """
    return edges(degrees) / (len(degrees) * (len(degrees) - 1))


def resilience(degrees: Indices) -> float:
    """Mean squared degree over mean degree.

    >>> resilience(np.array([1, 2, 1]))
    1.5
    """
    return float(np.square(degrees).sum() / degrees.sum())


def wedges(degrees: Indices) -> float:
    """Pairs of edges that share a node, whatever their directions: Σ d (d - 1) / 2.

    >>> wedges(np.array([3, 1, 1, 1]))
    3.0
    """
    return float((degrees * (degrees - 1) // 2).sum())


def entropy(degrees: Indices) -> float:
    """Entropy, in nats, of each node's share of all degrees, over the number of nodes.

    >>> round(entropy(np.array([1, 2, 1])), 4)  # shares 1/4, 1/2, 1/4
    0.3466
    """
    return float(shannon_entropy(degrees)) / len(degrees)


def gini(degrees: Indices) -> float:
    """Gini coefficient of the degrees: 0 if they are equal, towards 1 if few nodes have all.

    >>> gini(np.array([1, 2, 1]))
    0.16666666666666666
    """
    n = len(degrees)
    ranks = np.arange(1, n + 1)
    return float((2 * ranks - n - 1) @ np.sort(degrees) / (n * degrees.sum()))
