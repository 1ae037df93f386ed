"""NASWOT for networks without ReLUs: the signs of whatever enters a nonlinearity."""

from __future__ import annotations

import torch
from torch import nn

from nascout.score.card import score
from nascout.score.inputs import Inputs, samples
from nascout.score.live_inputs import live_inputs, units
from nascout.score.naswot import agreement, log_det
from nascout.score.nonlinearities import hidden_states, is_nonlinear

__all__ = ["sign_pattern"]


@score(
    "sign_pattern",
    paper="arXiv:2006.04647",
    equation="eq. 2, with any pointwise nonlinearity for the ReLU",
    applies="networks with a pointwise nonlinearity or a recurrent layer",
    deviations="from NASWOT: codes are the signs of the inputs of every nonlinearity; recurrent "
    "layers, whose gates are out of reach, give the signs of their hidden states",
    batch=128,
    invariances=("batch order", "output scale", "function form"),
)
def sign_pattern(net: nn.Module, x: Inputs) -> float:
    """log |det K|, where K counts the signs on which two inputs agree, at every nonlinearity.

    NASWOT reads which linear piece a sample is on. A smooth nonlinearity has no pieces, but bends
    most around zero, so the sign of its input says on which side of the bend a sample is. On a
    network whose only nonlinearities are ReLUs the two scores are equal.

    Counted are ReLU and its family, GELU, SiLU, Mish, Hardswish, Hardsigmoid, Hardtanh, ELU, SELU,
    CELU, tanh, sigmoid, softplus, softsign, logsigmoid and erf, as modules or as functions. Of
    ``nn.LSTM``, ``nn.GRU``, ``nn.RNN`` and their cells, which run as one fused function, the
    signs of the hidden states count (the last layer's, at every step).

    Args:
        net: any network; it is left as found. It runs in train mode.
        x: (n, ...) a batch, as for NASWOT.

    Returns:
        The score; -inf where two inputs share one pattern, or K is singular otherwise.

    Raises:
        UnsupportedNetwork: nothing of the above that the output depends on, or something that
            does not work on a batch.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Tanh())
        >>> x = torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1]])
        >>> round(sign_pattern(net, x), 4)  # K = [[4, 2], [2, 4]], ln 12
        2.4849
    """
    kernels = live_inputs(
        net,
        x,
        lambda z: agreement(units(z, samples(x)) > 0),
        kind="nonlinearity",
        activation=is_nonlinear,
        hidden=hidden_states,
    )
    return log_det(torch.stack(kernels).sum(0))
