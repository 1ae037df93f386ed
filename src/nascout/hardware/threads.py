"""How many threads small work is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["suitable_threads"]

SMALL = 12 * 12


@contextmanager
def suitable_threads(input_shape: tuple[int, ...]) -> Iterator[None]:
    """Run on one thread where images have at most 12 x 12 pixels, and as torch would otherwise.

    There, splitting an operation costs more than it saves: at 8 x 8, two threads took 1.22 times
    as long as one, at 16 x 16 .82 times (``benchmarks/results/threads.csv``). The rule looks at
    nothing but the size, since the number of threads decides the last bits of a result.

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
