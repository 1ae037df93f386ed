"""The epsilon metric: how far the outputs move between two constant weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nascout.score.card import score
from nascout.score.inputs import Inputs, each, samples, tensors
from nascout.score.outputs import first_output
from nascout.score.untouched import untouched

__all__ = ["epsilon", "epsilon_of_outputs", "output_at"]


@score(
    "epsilon",
    paper="arXiv:2302.04406",
    equation="section 3, steps 1 to 5",
    applies="any network; NaN where the small constant underflows (see epsilon_spatial)",
    batch=256,
    invariances=("batch order",),
)
def epsilon(
    net: nn.Module,
    x: Inputs,
    *,
    constants: tuple[float, float] = (1e-7, 1.0),
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
