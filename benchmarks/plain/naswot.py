"""NASWOT as its released code computes it: two forward passes, one backward, a kernel per hook."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

__all__ = ["naswot"]


def naswot(net: nn.Module, x: torch.Tensor, *, blocks: bool = True) -> float:
    """A forward and backward pass mark the live ReLUs; a second forward pass sums their kernels.

    The code hooks every module with ReLU in its name. On NAS-Bench-201's networks that is also
    the block around each ReLU but the last, whose input is the ReLU's, so it counts twice;
    ``blocks=False`` leaves that out.
    """
    live: list[nn.Module] = []
    kernel = np.zeros((len(x), len(x)))

    def collect(module: nn.Module, inputs: tuple[torch.Tensor, ...], _: torch.Tensor) -> None:
        nonlocal kernel
        if module in live:
            code = (inputs[0].reshape(len(x), -1) > 0).float()
            agree = code @ code.t() + (1 - code) @ (1 - code).t()
            kernel = kernel + agree.numpy()

    *inner, last = [m for m in net.modules() if isinstance(m, nn.ReLU)]
    relus = [*inner, *(inner if blocks else ()), last]
    net.train()
    hooks = [m.register_full_backward_hook(lambda m, *_: live.append(m)) for m in relus]
    images = x.clone().requires_grad_(True)
    output = net(images)
    output.backward(torch.ones_like(output))
    for hook in hooks:
        hook.remove()
    hooks = [m.register_forward_hook(collect) for m in relus]
    net(x)
    for hook in hooks:
        hook.remove()
    return float(np.linalg.slogdet(kernel)[1])
