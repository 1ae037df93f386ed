"""The unit graphs of many architectures: a layer that stands in several responds once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nascout.errors import GraphError, UnsupportedNetwork
from nascout.graph import Graph
from nascout.score.unit_graph import UnitGraph, connect
from nascout.score.unit_graph_ops import graph_steps
from nascout.score.unit_mask import Mask
from nascout.score.unit_response import normal_weight, response
from nascout.score.unit_steps import Layer

__all__ = ["unit_graphs"]


def unit_graphs(
    graphs: Sequence[Graph], memory: int, seed: int = 0
) -> Iterator[UnitGraph | UnsupportedNetwork]:
    """The unit graph of every network with normal weights; no network is built.

    A layer's weights depend on its name and shape, so in the architectures of one space few
    layers differ. What a layer's channels excite is kept for the next architecture.

    Args:
        graphs: the networks.
        memory: bytes that may be kept.
        seed: of the weights.

    Returns:
        In order, each unit graph, or the error that says why there is none.

    >>> from nascout.space.nasbench201 import EXAMPLE, NasBench201
    >>> graph = NasBench201(channels=2, cells=1).parse(EXAMPLE).graph()
    >>> [found.nodes for found in unit_graphs([graph, graph], memory=2**20)]
    [133, 133]
    """
    known = _Responses(memory, seed)
    for graph in graphs:
        found: UnitGraph | UnsupportedNetwork
        try:
            found = connect(*graph_steps(graph), known)
        except (GraphError, UnsupportedNetwork) as error:
            found = UnsupportedNetwork(error.problem, error.remedy)
        yield found


class _Responses:
    """The response of every layer so far; all are forgotten when they would take too much."""

    def __init__(self, memory: int, seed: int) -> None:
        self._memory = memory
        self._seed = seed
        self._held = 0
        self._known: dict[Layer, Mask] = {}

    def __call__(self, layer: Layer) -> Mask:
        mask = self._known.get(layer)
        if mask is None:
            mask = response(layer, normal_weight(layer, self._seed))
            self._held += mask.nbytes
            if self._held > self._memory:
                self._known.clear()
                self._held = mask.nbytes
            self._known[layer] = mask
        return mask
