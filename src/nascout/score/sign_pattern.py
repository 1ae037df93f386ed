"""NASWOT for networks without ReLUs: the signs of whatever enters a nonlinearity."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascout.score.card import score
from nascout.score.inputs import Inputs
from nascout.score.naswot import agreement, log_det
from nascout.score.relu_codes import RELUS, Function, live_inputs

__all__ = ["sign_pattern"]

NONLINEARITIES: Final[frozenset[Function]] = RELUS | frozenset(
    [
        *(F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid, F.hardtanh, F.hardtanh_),
        *(F.elu, F.elu_, F.selu, torch.selu, torch.selu_, F.celu, torch.celu, torch.celu_),
        *(torch.tanh, torch.tanh_, Tensor.tanh, Tensor.tanh_),
        *(torch.sigmoid, torch.sigmoid_, Tensor.sigmoid, Tensor.sigmoid_, torch.special.expit),
        *(F.softplus, F.softsign, F.logsigmoid, torch.erf, Tensor.erf),
    ]
)
LAYERS: Final = frozenset([torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu])
CELLS: Final = frozenset(
    [torch.lstm_cell, torch.gru_cell, torch.rnn_tanh_cell, torch.rnn_relu_cell]
)


@score(
    "sign_pattern",
    paper="arXiv:2006.04647",
    equation="eq. 2, with any pointwise nonlinearity for the ReLU",
    applies="networks with a pointwise nonlinearity or a recurrent layer",
    deviations="from NASWOT: codes are the signs of the inputs of every nonlinearity; recurrent "
    "layers, whose gates are out of reach, give the signs of their hidden states",
    batch=128,
    invariances=("batch order", "output scale"),
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
        lambda z: agreement(z > 0),
        kind="nonlinearity",
        activation=_is_nonlinear,
        hidden=_hidden,
    )
    return log_det(torch.stack(kernels).sum(0))


def _is_nonlinear(func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return func in NONLINEARITIES


def _hidden(func: Function, args: tuple[Any, ...], output: Any) -> Tensor | None:
    """The hidden states of a recurrent call, the batch first."""
    if func in CELLS:
        states: Tensor = output[0] if isinstance(output, tuple) else output
        return states
    if func not in LAYERS:
        return None
    states = output[0]
    if states.dim() == 3 and not args[-1]:  # batch_first
        states = states.transpose(0, 1)
    return states
