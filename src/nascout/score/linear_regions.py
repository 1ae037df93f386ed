"""Linear regions: how many pieces of the network's function a batch falls on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from torch import Tensor, nn

from nascout.errors import UnsupportedNetwork
from nascout.graph import Graph
from nascout.graph.ops import ReLU
from nascout.score.card import score
from nascout.score.inputs import Inputs, each, samples, tensors
from nascout.score.live_inputs import live_inputs, units
from nascout.score.population import alike, readings

__all__ = ["linear_regions"]

# Samples that run at once.
CHUNK: Final = 1000

Codes = np.ndarray[Any, np.dtype[np.uint8]]


@alike
def linear_regions_at_once(
    graphs: Sequence[Graph],
    x: Inputs | None,
    y: Tensor | None = None,
    *,
    seed: int,
    memory: int,
) -> Iterator[float | UnsupportedNetwork]:
    """:func:`linear_regions` of many graphs; see :class:`nascout.score.card.AtOnce`."""
    parts = [] if x is None else [tensors(part) for part in _parts(x, CHUNK)]
    runs = [
        readings(graphs, part, (ReLU,), _packed(len(part[0])), seed=seed, memory=memory)
        for part in parts
    ]
    for codes in zip(*runs, strict=True):
        yield _count(codes) if codes[0] else UnsupportedNetwork("no ReLU", "Use another score.")


@score(
    "linear_regions",
    paper="arXiv:2102.11535",
    equation="section 3.1.2",
    applies="networks with ReLUs (also ReLU6, LeakyReLU, PReLU, RReLU)",
    deviations="from the released code: ReLUs that the output does not depend on are left out, "
    "those on other than images count; the weights are not drawn anew; one set of weights",
    batch=3000,
    invariances=("output scale", "function form"),
    at_once=linear_regions_at_once,
)
def linear_regions(net: nn.Module, x: Inputs, *, chunk: int = CHUNK) -> float:
    """The number of distinct patterns of active ReLUs among the samples (1 to n).

    Two samples with one pattern lie in one region on which a network of ReLUs is linear. The
    paper shrinks the network (one channel, one cell) and the images (1 x 3 x 3), without which
    every sample has a pattern of its own and the score is n for any architecture.

    Args:
        net: any network; it is left as found. It runs in train mode (batch statistics).
        x: (n, ...) a batch; the paper uses 3000 samples of Gaussian noise.
        chunk: how many samples run at once; the regions are counted over all chunks.

    Returns:
        The number; NaN if the input of a ReLU is not a number.

    Raises:
        UnsupportedNetwork: no ReLU that the output depends on, or one whose input is not a batch.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.ReLU(), nn.Flatten())
        >>> linear_regions(net, torch.tensor([[1.0, -1.0], [2.0, -3.0], [1.0, 1.0]]))
        2.0
    """
    return _count(live_inputs(net, part, _packed(samples(part))) for part in _parts(x, chunk))


def _parts(x: Inputs, chunk: int) -> Iterator[Inputs]:
    for start in range(0, samples(x), chunk):
        yield _part(x, start, start + chunk)


def _part(x: Inputs, start: int, stop: int) -> Inputs:
    return each(lambda t: t[start:stop], x)


def _count(parts: Iterable[Sequence[Codes | None]]) -> float:
    """Distinct rows of the layers' codes side by side, over all parts of the batch."""
    patterns: set[bytes] = set()
    for codes in parts:
        known = [code for code in codes if code is not None]
        if len(known) < len(codes):
            return math.nan
        patterns.update(row.tobytes() for row in np.concatenate(known, axis=1))
    return float(len(patterns))


def _packed(n: int) -> Callable[[Tensor], Codes | None]:
    """Of n samples, where each unit is positive, as (n, units / 8) bytes; None if undefined."""

    def pack(z: Tensor) -> Codes | None:
        signs = (units(z, n) > 0).cpu().numpy()
        return None if z.isnan().any() else np.packbits(signs, axis=1)

    return pack
