"""All randomness of a training as a function of (seed, time), so that no state needs saving."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nascout.records import content_digest

__all__ = ["epoch_generator", "private_global_rng", "seed_step"]


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """For the order and the augmentation of one epoch.

    It lives on the CPU whatever the device, so every device sees the same images in the same
    order.
    """
    return torch.Generator().manual_seed(_number("data", seed, epoch))


@contextmanager
def private_global_rng(device: torch.device) -> Iterator[None]:
    """What is drawn and seeded meanwhile leaves the global generators as they were.

    Only the generators of the CPU and of ``device`` are looked after.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def seed_step(seed: int, step: int, device: torch.device, rank: int = 0) -> None:
    """Let dropout and its like draw from (seed, step, rank).

    Only the generators of the CPU and of ``device`` are touched: ``torch.manual_seed`` would also
    seed those of every other device.
    """
    number = _number("network", seed, step, rank)
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(number)


def _number(purpose: str, *parts: int) -> int:
    return int(content_digest([purpose, *parts])[:15], 16)
