"""The two stops of Petridish: what passes forward only, and what passes backward only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["stop_forward", "stop_gradient"]


def stop_gradient(x: Tensor) -> Tensor:
    """``x``, through which no gradient returns (sg in arXiv:1905.13360, section 3.1).

    >>> stop_gradient(torch.ones(2, requires_grad=True)).requires_grad
    False
    """
    return x.detach()


def stop_forward(x: Tensor) -> Tensor:
    """Nothing forward, the gradient unchanged backward: sf(x) = x - sg(x), of the shape of ``x``.

    So ``target + stop_forward(x)`` is ``target`` to the last bit, while ``x`` receives the
    gradient of the loss with respect to ``target``.

    Deviation: ``x - sg(x)`` is 0 where ``x`` is finite and NaN where it is not, and adding it
    turns a target of -0.0 into 0.0. Here every value is -0.0, the one number that changes no
    number it is added to (IEEE 754: -0.0 + -0.0 = -0.0 and 0.0 + -0.0 = 0.0), whatever ``x`` is.

    >>> x = torch.tensor([3.0, float("inf")], requires_grad=True)
    >>> target = torch.tensor([0.1, -0.0])
    >>> joined = target + stop_forward(x)
    >>> joined
    tensor([0.1000, -0.0000], grad_fn=<AddBackward0>)
    >>> (joined * torch.tensor([5.0, 7.0])).sum().backward(); x.grad
    tensor([5., 7.])
    """
    stopped: Tensor = _StopForward.apply(x)  # type: ignore[no-untyped-call]
    return stopped


class _StopForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.full_like(x, -0.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]
