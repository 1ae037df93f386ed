"""NASGraph as its paper has it: a forward pass per layer and channel, one network at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from nascout.graph.ops import AvgPool, Conv2d, Identity, Input, Linear, Zero
from nascout.network.module import Network

__all__ = ["plain_nasgraph"]


def plain_nasgraph(net: Network, x: Tensor) -> float:
    """Average degree of the graph of channels of a NAS-Bench-201 network, with its own weights.

    Ones in one channel, zeros elsewhere, go through each convolution and a ReLU; the outputs
    whose sum is not zero are linked to the channel. ``x`` (1, channels, height, width) only
    tells the size.
    """
    degrees: list[Tensor] = []  # per layer
    layers: list[list[int]] = []  # per node, those whose units its channels hold
    sizes: list[torch.Size] = []

    def layer(parents: list[int], links: Tensor) -> list[int]:
        """A layer that reads ``parents`` by ``links`` (in, out)."""
        degrees.append(torch.zeros(links.shape[1]))
        for parent in parents:
            degrees[parent] += links.sum(1)
            degrees[-1] += links.sum(0)
        return [len(degrees) - 1]

    for node, module in zip(net.graph, net.node_modules(), strict=True):
        read = [i for source in node.inputs for i in layers[source]]
        shape = x.shape if module is None else sizes[node.inputs[0]]
        width = shape[1]
        match node.op:
            case Input() | Zero():
                found = layer([], torch.zeros(width, width))
            case Conv2d():
                links = torch.stack([_excited(module, channel, shape) for channel in range(width)])
                found, shape = layer(read, links.float()), module(torch.zeros(shape)).shape
            case Identity() | Linear():  # the classifier's place is taken by the output itself
                found = layer(read, torch.eye(width))
            case AvgPool(stride=1):
                found = layer(read, torch.eye(width))
            case AvgPool():  # part of the shortcut's convolution
                found, shape = read, module(torch.zeros(shape)).shape
            case _:  # sums; normalisations, which are removed; ReLUs, which follow convolutions
                found = read
        layers.append(found)
        sizes.append(shape)
    every = torch.cat(degrees)
    return float(every.double().sum() / (every > 0).sum())


def _excited(conv: torch.nn.Module, channel: int, shape: torch.Size) -> Tensor:
    """(out,) whether ones in ``channel`` give a sum over space."""
    image = torch.zeros(shape)
    image[:, channel] = 1
    with torch.no_grad():
        return conv(image).relu().sum((0, 2, 3)) != 0
