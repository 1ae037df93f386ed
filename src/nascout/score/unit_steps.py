"""A network as steps on channels: what the unit graph needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Concat",
    "Conv",
    "Cut",
    "Dense",
    "Indices",
    "Join",
    "Keep",
    "Layer",
    "Operation",
    "Select",
    "Source",
    "Step",
]

Indices: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """A layer: the channels of an input."""

    channels: int


@dataclass(frozen=True)
class Conv:
    """A layer: a convolution over maps of ``size``, any number of spatial axes.

    Args:
        name: of the weight; random values depend on it.
        shape: of the weight: (out, in / groups, *kernel).
        size: of the input, one entry per spatial axis, like ``stride`` and ``dilation``.
        padding: zeros before and after, per spatial axis.
    """

    name: str
    shape: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int = 1


@dataclass(frozen=True)
class Dense:
    """A layer: a matrix of ``shape`` (out, features) that reads ``channels`` channels.

    ``channel[f]`` says to which of them feature f belongs: after flattening, several belong to
    one. Features of channel -1 are zero.
    """

    name: str
    shape: tuple[int, ...]
    channel: tuple[int, ...]
    channels: int


@dataclass(frozen=True)
class Keep:
    """A layer that hands every channel on: a skip connection or, if ``pools``, a pooling."""

    pools: bool = False


@dataclass(frozen=True)
class Cut:
    """A layer that reads nothing: the operation "none", x · 0."""

    channels: int


@dataclass(frozen=True)
class Join:
    """No layer: a sum or product, read as all of its terms."""


@dataclass(frozen=True)
class Concat:
    """No layer: channels side by side."""


@dataclass(frozen=True, eq=False)
class Select:
    """No layer: channel c is the input's channel ``index[c]``, or zero where that is -1."""

    index: Indices


Layer: TypeAlias = Conv | Dense
Operation: TypeAlias = Source | Layer | Keep | Cut | Join | Concat | Select


class Step(NamedTuple):
    """An operation and the indices of the steps that it reads."""

    operation: Operation
    inputs: tuple[int, ...] = ()
