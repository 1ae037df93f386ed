"""Convolution, normalisation, activation, in that order."""

from __future__ import annotations

from functools import cache

from nascout.graph import Op
from nascout.graph.ops import BatchNorm, Conv2d, ReLU

__all__ = ["conv_bn"]


RELU = ReLU()


@cache
def conv_bn(
    out: int, kernel: int = 1, stride: int = 1, activation: Op | None = RELU
) -> tuple[Op, ...]:
    """Convolution, normalisation and, if any, an activation."""
    return Conv2d(out, kernel, stride), BatchNorm(), *((activation,) if activation else ())
