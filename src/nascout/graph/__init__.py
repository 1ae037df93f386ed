"""The graph: one immutable, torch-free description that every other room reads."""

from __future__ import annotations

from nascout.graph.builder import Builder
from nascout.graph.canonical import digest
from nascout.graph.cost import graph_cost, peak_activation_bytes
from nascout.graph.draw import draw
from nascout.graph.graph import Graph, Node
from nascout.graph.op import OPS, Op, op
from nascout.graph.repair import repair
from nascout.graph.shape import Shape

__all__ = [
    "OPS",
    "Builder",
    "Graph",
    "Node",
    "Op",
    "Shape",
    "digest",
    "draw",
    "graph_cost",
    "op",
    "peak_activation_bytes",
    "repair",
]
