"""A space and data so small that sharing takes a second."""

import pytest
import torch

from nascout.data import Arrays, Split
from nascout.space import SPACES


@pytest.fixture
def space():
    return SPACES["nasbench201"](channels=4, cells=1, classes=3, input_shape=(2, 8, 8))


@pytest.fixture
def split():
    generator = torch.Generator().manual_seed(0)

    def part(n):
        y = torch.arange(n) % 3
        x = torch.randn(n, 2, 8, 8, generator=generator) + y[:, None, None, None]
        return Arrays(x, y)

    zero, one = torch.zeros(2), torch.ones(2)
    return Split(part(96), part(48), None, 3, zero, one, flip=False)
