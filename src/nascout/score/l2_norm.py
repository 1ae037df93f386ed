"""l2_norm: how large the weights are."""

from __future__ import annotations

from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.score.card import score
from nascout.score.inputs import Inputs
from nascout.score.weights import weights

__all__ = ["l2_norm"]


@score(
    "l2_norm",
    paper="arXiv:2210.03230",
    needs="network",
    applies="networks with weights",
)
def l2_norm(net: nn.Module, x: Inputs | None = None) -> float:
    """Sum over the weights W of ‖W‖₂, the root of the sum of squares of one tensor's values.

    Needs no data. At initialisation it counts layers, weighted by the root of their widths.

    Args:
        net: any network; it is left as found.
        x: not read.

    Raises:
        UnsupportedNetwork: no weights.

    Example:
        >>> import torch
        >>> net = nn.Linear(2, 1)
        >>> net.weight.data = torch.tensor([[3.0, -4.0]])
        >>> l2_norm(net)
        5.0
    """
    found = weights(net).values()
    if not found:
        raise UnsupportedNetwork(
            "the network has no weights", "Score a network with convolutions or matrices."
        )
    return sum(float(weight.detach().double().norm()) for weight in found)
