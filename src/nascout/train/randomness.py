"""All randomness of a training as a function of (seed, epoch), so that no state needs saving."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nascout.records import content_digest

__all__ = ["epoch_generator", "private_global_rng"]


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """For order, crops and mirroring of one epoch.

    It lives on the CPU whatever the device, so every device sees the same images in the same
    order.
    """
    return torch.Generator().manual_seed(_number("data", seed, epoch))


@contextmanager
def private_global_rng(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Dropout and its like draw from (seed, epoch); afterwards the global RNG is as it was.

    Only the generators of the CPU and of ``device`` are touched: ``torch.manual_seed`` would also
    seed those of every other device.
    """
    number = _number("network", seed, epoch)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(number)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(number)
        yield


def _number(purpose: str, seed: int, epoch: int) -> int:
    return int(content_digest([purpose, seed, epoch])[:15], 16)
