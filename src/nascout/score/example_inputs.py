"""Inputs made for a network, when all that is known or wanted of the data is its sizes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nascout.errors import UnsupportedNetwork
from nascout.network.module import Network
from nascout.score.inputs import Inputs, each

__all__ = ["made_inputs"]


def made_inputs(net: nn.Module, x: Inputs | None, make: Callable[[Tensor], Tensor]) -> Inputs:
    """A batch made by ``make`` of one sample per input, or of ``x``.

    Args:
        net: a network built by nascout knows its inputs' sizes; any other needs ``x``.
        x: (n, ...) a batch of the network's inputs; integers (tokens) stay as they are.
        make: gets one sample (1, ...) of the right size, precision and device; its values mean
            nothing.

    Raises:
        UnsupportedNetwork: a foreign module without ``x``.
    """
    if x is not None:
        return each(lambda t: make(t[:1]) if t.is_floating_point() else t, x)
    if not isinstance(net, Network):
        raise UnsupportedNetwork(
            f"the score of a {type(net).__name__} depends on its input's size",
            "Pass x, a batch (n, ...) of its inputs; only their sizes count.",
        )
    parameter = next(net.parameters(), torch.empty(0))
    shapes = [net.graph.shapes[index] for index in net.graph.inputs]
    return tuple(make(parameter.new_empty((1, *shape))) for shape in shapes)
