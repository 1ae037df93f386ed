"""The baselines that any score has to beat: parameters and multiply-adds."""

from __future__ import annotations

from torch import Tensor, nn

from nascout.network.cost import measured_cost, network_cost
from nascout.network.module import Network
from nascout.score.card import score

__all__ = ["macs", "params"]


@score("params", needs="network")
def params(net: nn.Module, x: Tensor | None = None) -> float:
    """Number of learned values; a shared tensor counts once.

    >>> params(nn.Linear(3, 2))
    8.0
    """
    return float(sum(p.numel() for p in net.parameters()))


@score("macs", needs="network")
def macs(net: nn.Module, x: Tensor | None = None) -> float:
    """Multiply-adds for one sample (convolutions and matrix products, with their biases).

    ``x`` (n, ...) only tells the input's size; a network built by nascout does not need it.
    """
    if isinstance(net, Network) or x is None:
        return float(network_cost(net).macs)
    return float(measured_cost(net, x[:1]).macs)
