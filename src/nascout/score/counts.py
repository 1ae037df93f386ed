"""The baselines that any score has to beat: parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from torch import nn

from nascout.network.cost import measured_cost, network_cost
from nascout.network.module import Network
from nascout.score.card import Invariance, score
from nascout.score.inputs import Inputs, each, tensors

__all__ = ["macs", "params"]

EVERYTHING: Final[tuple[Invariance, ...]] = (
    "batch order",
    "input scale",
    "output scale",
    "label names",
)


@score("params", needs="network", invariances=EVERYTHING)
def params(net: nn.Module, x: Inputs | None = None) -> float:
    """Number of learned values; a shared tensor counts once.

    >>> params(nn.Linear(3, 2))
    8.0
    """
    return float(sum(p.numel() for p in net.parameters()))


@score("macs", needs="network", invariances=EVERYTHING)
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
