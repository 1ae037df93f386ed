"""The epsilon metric: how far the outputs move between two constant weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nascout.errors import UnsupportedNetwork
from nascout.graph import Graph
from nascout.network.collapsed import Collapsed
from nascout.score.card import score
from nascout.score.inputs import Inputs, each, samples, tensors
from nascout.score.outputs import first_output
from nascout.score.untouched import untouched

__all__ = ["epsilon", "epsilon_at_once", "epsilon_of_outputs", "output_at"]

CONSTANTS: Final = (1e-7, 1.0)
CHUNK: Final = 64  # graphs that share what they have in common


def epsilon_at_once(
    graphs: Sequence[Graph],
    x: Inputs | None,
    y: Tensor | None = None,
    *,
    seed: int = 0,
    memory: int = 2**30,
) -> Iterator[float | UnsupportedNetwork]:
    """:func:`epsilon` of many graphs, on one channel per distinct tensor.

    All weights being equal, so are the output channels of a layer: see
    :mod:`nascout.network.collapsed`. Where the small constant leaves an output that is the same
    for all samples, the other is not computed, for the score is NaN.

    Returns:
        The scores in order, equal but for rounding; an UnsupportedNetwork for a graph that has to
        be scored by itself: an op without a collapsed form, or a batch that is not float32 or
        float64 or does not fit. The seed does not matter.
    """
    batch = [] if x is None or isinstance(x, Mapping) else tensors(x)
    kinds = {(len(tensor), tensor.dtype) for tensor in batch}
    if len(kinds) != 1 or batch[0].dtype not in (torch.float32, torch.float64):
        for _ in graphs:
            yield UnsupportedNetwork(
                "the batch is not one of float32 or float64 tensors in order",
                "Score networks one by one.",
            )
        return
    collapsed = Collapsed(batch, memory=memory)
    for start in range(0, len(graphs), CHUNK):
        ends = collapsed.read(graphs[start : start + CHUNK])
        known = [end for end in ends if not isinstance(end, UnsupportedNetwork)]
        lows = list(collapsed.outputs(known, CONSTANTS[0]))
        varying = [bool(low.min() < low.max()) for low in lows]
        highs = collapsed.outputs(list(compress(known, varying)), CONSTANTS[1])
        values = (
            epsilon_of_outputs(low, next(highs)) if varies else math.nan
            for low, varies in zip(lows, varying, strict=True)
        )
        for end in ends:
            yield end if isinstance(end, UnsupportedNetwork) else next(values)


@score(
    "epsilon",
    paper="arXiv:2302.04406",
    equation="section 3, steps 1 to 5",
    applies="any network; NaN where the small constant underflows (see epsilon_spatial)",
    batch=256,
    invariances=("batch order", "function form"),
    at_once=epsilon_at_once,
)
def epsilon(
    net: nn.Module,
    x: Inputs,
    *,
    constants: tuple[float, float] = CONSTANTS,
    dtype: torch.dtype | None = None,
    train: bool = True,
) -> float:
    """Mean distance of the normalised outputs at two constant weights, over their mean.

    For each constant, every weight is set to it (those of normalisations too) and every bias to
    zero, the batch is run once, and the first output is scaled to 0..1 over the batch.

    Args:
        net: any network; it is left as found. All its outputs are equal under constant weights.
        x: (n, ...) a batch; the paper uses 256 images.
        constants: the two weights; the paper's for NAS-Bench-201.
        dtype: of the computation; the network's own by default. In float32 the small constant
            underflows where every path passes a convolution, and the score is NaN, as in the
            paper's code; float64 stays finite, and far too low to rank these with the others.
        train: batch statistics (NAS-Bench-201 in the paper) or the running ones (NAS-Bench-101).

    Returns:
        The score; NaN if an output is constant over the batch.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        >>> epsilon(net, torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0]]))
        0.0
    """
    dtype = dtype or next((p.dtype for p in net.parameters()), torch.get_default_dtype())
    x = each(lambda t: t.to(dtype) if t.is_floating_point() else t, x)
    with untouched(net), torch.no_grad():
        net.train(train)
        low, high = (output_at(net, x, constant, dtype) for constant in constants)
    return epsilon_of_outputs(low, high)


def output_at(net: nn.Module, x: Inputs, constant: float, dtype: torch.dtype) -> Tensor:
    """(n,) the first output of every sample, with every weight at ``constant``."""
    state: dict[str, Tensor] = {}
    for name, parameter in net.named_parameters():
        value = 0.0 if "bias" in name.rpartition(".")[2] else constant
        state[name] = torch.full_like(parameter, value, dtype=dtype)
    for name, buffer in net.named_buffers():
        # Fresh copies: batch normalisation updates its statistics in place.
        state[name] = buffer.to(dtype, copy=True) if buffer.is_floating_point() else buffer.clone()
    arguments = tensors(x) if not isinstance(x, Mapping) else []
    options = dict(x) if isinstance(x, Mapping) else {}
    output = first_output(functional_call(net, state, tuple(arguments), options), samples(x))
    return output.reshape(samples(x), -1)[:, 0]


def epsilon_of_outputs(low: Tensor, high: Tensor) -> float:
    """The metric from two vectors of raw outputs (H.1: scale to 0..1, zeros to NaN, ratio).

    >>> low, high = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 1.0, 4.0])
    >>> round(epsilon_of_outputs(low, high), 4)  # |.5 - .25| and 0, over the mean .6875
    0.1818
    """
    low, high = _normalise(low), _normalise(high)
    return float((low - high).abs().nanmean() / torch.cat((low, high)).nanmean())


def _normalise(output: Tensor) -> Tensor:
    scaled = (output - output.min()) / (output.max() - output.min())
    return scaled.masked_fill(scaled == 0, torch.nan)
