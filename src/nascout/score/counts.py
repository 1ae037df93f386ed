"""The baselines that any score has to beat: parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from torch import Tensor, nn

from nascout.graph import Graph
from nascout.graph.cost import graph_cost
from nascout.network.cost import measured_cost, network_cost
from nascout.network.module import Network
from nascout.records import Cost
from nascout.score.card import AtOnce, Invariance, score
from nascout.score.inputs import Inputs, each, tensors

__all__ = ["macs", "params"]

EVERYTHING: Final[tuple[Invariance, ...]] = (
    "batch order",
    "input scale",
    "output scale",
    "label names",
)


def _of_cost(count: Callable[[Cost], int]) -> AtOnce:
    """The score of many graphs that is a part of their cost."""

    def at_once(
        graphs: Sequence[Graph],
        x: Inputs | None,
        y: Tensor | None = None,
        *,
        seed: int,
        memory: int,
    ) -> Iterator[float]:
        for graph in graphs:
            yield float(count(graph_cost(graph)))

    return at_once


@score(
    "params",
    needs="network",
    invariances=EVERYTHING,
    at_once=_of_cost(lambda cost: cost.params),
)
def params(net: nn.Module, x: Inputs | None = None) -> float:
    """Number of learned values; a shared tensor counts once.

    >>> params(nn.Linear(3, 2))
    8.0
    """
    return float(sum(p.numel() for p in net.parameters()))


@score("macs", needs="network", invariances=EVERYTHING, at_once=_of_cost(lambda cost: cost.macs))
def macs(net: nn.Module, x: Inputs | None = None) -> float:
    """Multiply-adds for one sample (convolutions and matrix products, with their biases).

    ``x`` (n, ...) only tells the input's size; a network built by nascout does not need it.
    """
    if isinstance(net, Network) or x is None:
        return float(network_cost(net).macs)
    one = each(lambda t: t[:1], x)
    if isinstance(one, Mapping):
        return float(measured_cost(net, **one).macs)
    return float(measured_cost(net, *tensors(one)).macs)
