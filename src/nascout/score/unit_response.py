"""Which channels of a layer's input excite which of its outputs."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from nascout.errors import ConfigError
from nascout.score.unit_steps import Conv, Dense

__all__ = ["Mask", "Weights", "response", "simulated_response", "weight_of"]

Mask: TypeAlias = NDArray[np.bool_]
Weights = Literal["normal", "own"]


def weight_of(layer: Conv | Dense, weights: Weights = "normal", seed: int = 0) -> Tensor:
    """The weights to judge a layer by, on the CPU, in single precision or better.

    Args:
        layer: which holds the network's own weights.
        weights: ``"own"``, or ``"normal"``: standard normal, a function of ``(seed, name, shape)``
            alone, so that the same position has the same weights in every architecture.
        seed: of the normal weights.

    Raises:
        ConfigError: any other ``weights``.
    """
    if weights == "own":
        own = layer.weight.detach().cpu()
        return own.to(torch.promote_types(own.dtype, torch.float32))
    if weights != "normal":
        raise ConfigError(f"weights={weights!r}", "Use 'normal' or 'own'.")
    name = hashlib.blake2b(f"{seed}/{layer.name}".encode(), digest_size=16).digest()
    generator = np.random.default_rng(int.from_bytes(name, "little"))
    return torch.from_numpy(generator.standard_normal(layer.weight.shape, dtype=np.float32))


def response(layer: Conv | Dense, weight: Tensor) -> Mask:
    """(in, out): whether ones in one channel, zeros elsewhere, give a sum over space after a ReLU.

    That sum is positive where any position responds. A position sees the part of the kernel that
    lies inside the map, and there are few different parts (nine, for a 3x3 kernel): the answer is
    whether any of their sums is positive.

    >>> layer = Dense("name", torch.tensor([[1.0, -1.0], [-2.0, 3.0]]), np.arange(2), 2)
    >>> response(layer, layer.weight).tolist()
    [[True, False], [False, True]]
    """
    if isinstance(layer, Dense):
        columns = torch.from_numpy(np.where(layer.channel < 0, layer.channels, layer.channel))
        sums = weight.new_zeros((len(weight), layer.channels + 1)).index_add_(1, columns, weight)
        return (sums[:, :-1] > 0).T.numpy()
    geometry = zip(
        layer.size, weight.shape[2:], layer.stride, layer.padding, layer.dilation, strict=True
    )
    sums = weight
    for axis in geometry:
        # Sums over the first kernel axis; the parts' axis goes to the end.
        sums = torch.tensordot(sums, _parts(*axis).to(sums.dtype), dims=([2], [1]))
    return _spread((sums > 0).flatten(2).any(2) if sums.dim() > 2 else sums > 0, layer.groups)


@cache
def _parts(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> Tensor:
    """(parts, kernel): which taps of a kernel fall inside an axis, each combination once."""
    low, high = padding
    reach = dilation * (kernel - 1)
    starts = np.arange(-low, size + high - reach, stride)
    taps = starts[:, None] + dilation * np.arange(kernel)
    return torch.from_numpy(np.unique((taps >= 0) & (taps < size), axis=0))


def _spread(linked: Tensor, groups: int) -> Mask:
    """(in, out) from (out, in / groups): groups are not connected to each other."""
    out, read = linked.shape
    blocks = linked.view(groups, out // groups, read).transpose(1, 2)
    mask = torch.zeros((groups, read, groups, out // groups), dtype=torch.bool)
    own = torch.arange(groups)
    mask[own, :, own] = blocks
    return mask.view(groups * read, out).numpy()


def simulated_response(layer: Conv | Dense, weight: Tensor) -> Mask:
    """What :func:`response` says, found as in the paper: one forward pass per input channel."""
    if isinstance(layer, Dense):
        owns = torch.from_numpy(layer.channel) == torch.arange(layer.channels)[:, None]
        sums = [F.linear(own.to(weight.dtype), weight).relu() for own in owns]
        return (torch.stack(sums) != 0).numpy()
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
    return (torch.stack(sums) != 0).numpy()
