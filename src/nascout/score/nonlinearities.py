"""Which calls are nonlinearities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Function", "hidden_states", "is_nonlinear", "is_relu"]

Function = Callable[..., Any]

# What a module with ReLU in its name (these are what the authors of NASWOT hook) calls.
RELUS: Final[frozenset[Function]] = frozenset(
    [
        *(F.relu, torch.relu, Tensor.relu, F.relu_, torch.relu_, Tensor.relu_, F.relu6),
        *(F.leaky_relu, F.leaky_relu_, F.prelu, torch.prelu, Tensor.prelu),
        *(F.rrelu, F.rrelu_, torch.rrelu, torch.rrelu_),
    ]
)
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


def is_relu(func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether this call is one of a ReLU, ReLU6, LeakyReLU, PReLU or RReLU.

    >>> is_relu(F.hardtanh, (torch.ones(1), 0.0, 6.0), {}), is_relu(torch.tanh, (), {})
    (True, False)
    """
    if func is F.hardtanh:  # what nn.ReLU6 calls
        return bool((args[1] if len(args) > 1 else kwargs.get("min_val", -1.0)) == 0)
    return func in RELUS


def is_nonlinear(func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether this call is one of a pointwise nonlinearity.

    >>> is_nonlinear(F.gelu, (), {}), is_nonlinear(torch.add, (), {})
    (True, False)
    """
    return func in NONLINEARITIES


def hidden_states(func: Function, args: tuple[Any, ...], output: Any) -> Tensor | None:
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
