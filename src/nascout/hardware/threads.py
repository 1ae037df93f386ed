"""How many threads small work is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["suitable_threads"]

SMALL = 16 * 16


@contextmanager
def suitable_threads(input_shape: tuple[int, ...]) -> Iterator[None]:
    """Run on one thread where images have at most 16 x 16 pixels, and as torch would otherwise.

    There, splitting an operation costs more than it saves (``benchmarks/threads.py``). The rule
    looks at nothing but the size, since the number of threads decides the last bits of a result.

    >>> with suitable_threads((1, 8, 8)):
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    _, height, width = input_shape
    torch.set_num_threads(1 if height * width <= SMALL else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
