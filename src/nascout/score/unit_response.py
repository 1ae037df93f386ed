"""Which channels of a layer's input excite which of its outputs."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nascout.score.unit_mask import Mask
from nascout.score.unit_steps import Dense, Layer

__all__ = ["normal_weight", "own_weight", "response", "simulated_response"]


def normal_weight(layer: Layer, seed: int = 0) -> Tensor:
    """Standard normal values in the shape of the layer's weight, in single precision.

    They are a function of ``(seed, name, shape)`` alone, so that the same position has the same
    weights in every architecture.
    """
    name = hashlib.blake2b(f"{seed}/{layer.name}".encode(), digest_size=16).digest()
    generator = np.random.default_rng(int.from_bytes(name, "little"))
    return torch.from_numpy(generator.standard_normal(layer.shape, dtype=np.float32))


def own_weight(weight: Tensor) -> Tensor:
    """A network's own weight, on the CPU, in single precision or better."""
    own = weight.detach().cpu()
    return own.to(torch.promote_types(own.dtype, torch.float32))


def response(layer: Layer, weight: Tensor) -> Mask:
    """Whether ones in one channel, zeros elsewhere, give a sum over space after a ReLU.

    That sum is positive where any position responds. A position sees the part of the kernel that
    lies inside the map, and there are few different parts (nine, for a 3x3 kernel): the answer is
    whether any of their sums is positive.

    >>> layer = Dense("name", (2, 2), (0, 1), 2)
    >>> response(layer, torch.tensor([[1.0, -1.0], [-2.0, 3.0]])).blocks.tolist()
    [[[True, False], [False, True]]]
    """
    if isinstance(layer, Dense):
        channel = np.array(layer.channel)
        columns = torch.from_numpy(np.where(channel < 0, layer.channels, channel))
        sums = weight.new_zeros((len(weight), layer.channels + 1)).index_add_(1, columns, weight)
        return Mask((sums[None, :, :-1] > 0).transpose(1, 2).numpy())
    geometry = zip(
        layer.size, weight.shape[2:], layer.stride, layer.padding, layer.dilation, strict=True
    )
    sums = weight
    for axis in geometry:
        # Sums over the first kernel axis; the parts' axis goes to the end.
        sums = torch.tensordot(sums, _parts(*axis).to(sums.dtype), dims=([2], [1]))
    linked = (sums > 0).flatten(2).any(2) if sums.dim() > 2 else sums > 0
    return Mask(linked.view(layer.groups, -1, linked.shape[1]).transpose(1, 2).numpy())


@cache
def _parts(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> Tensor:
    """(parts, kernel): which taps of a kernel fall inside an axis, each combination once."""
    low, high = padding
    reach = dilation * (kernel - 1)
    starts = np.arange(-low, size + high - reach, stride)
    taps = starts[:, None] + dilation * np.arange(kernel)
    return torch.from_numpy(np.unique((taps >= 0) & (taps < size), axis=0))


def simulated_response(layer: Layer, weight: Tensor) -> Mask:
    """The same found as in the paper, by a forward pass per input channel, all in one group."""
    if isinstance(layer, Dense):
        owns = torch.tensor(layer.channel) == torch.arange(layer.channels)[:, None]
        sums = [F.linear(own.to(weight.dtype), weight).relu() for own in owns]
        return Mask((torch.stack(sums)[None] != 0).numpy())
    convolve = (F.conv1d, F.conv2d, F.conv3d)[len(layer.size) - 1]
    # F.pad counts from the last axis.
    pads = [pad for axis in reversed(layer.padding) for pad in axis]
    channels = weight.shape[1] * layer.groups
    sums = []
    for channel in range(channels):
        image = weight.new_zeros((1, channels, *layer.size))
        image[0, channel] = 1
        padded = F.pad(image, pads)
        y = convolve(padded, weight, None, layer.stride, 0, layer.dilation, layer.groups)
        sums.append(y[0].relu().flatten(1).sum(1))
    return Mask((torch.stack(sums)[None] != 0).numpy())
