"""Weights as a function of (seed, key, shape), whatever the order of construction.

The same position of a skeleton has the same weights in every architecture, so comparisons
between architectures use common random numbers.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["normal_weight", "uniform_weight"]


def uniform_weight(seed: int, key: str, shape: tuple[int, ...], fan_in: int) -> Tensor:
    """Uniform in ±1/sqrt(fan_in): the distribution of PyTorch's default initialisation.

    Args:
        seed: of the whole network.
        key: the tensor's own name, ``"stage1/cell0/0->1/nor_conv_3x3/conv2d.weight"``.
        shape: of the tensor.
        fan_in: inputs of one output unit.

    Returns:
        A float32 tensor of ``shape`` on the CPU.
    """
    bound = 1 / math.sqrt(fan_in)
    values = _generator(seed, key).random(shape, dtype=np.float32)
    return torch.from_numpy((values * 2 - 1) * np.float32(bound))


def normal_weight(seed: int, key: str, shape: tuple[int, ...]) -> Tensor:
    """Standard normal, float32 on the CPU, as a function of ``(seed, key, shape)``, too."""
    return torch.from_numpy(_generator(seed, key).standard_normal(shape, dtype=np.float32))


def _generator(seed: int, key: str) -> np.random.Generator:
    # A counter-based generator: the whole 128-bit hash is its key, so no two names collide.
    name = hashlib.blake2b(f"{seed}/{key}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(name, "little")))
