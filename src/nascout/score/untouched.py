"""A score leaves the network as it found it, whether it returns or raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["untouched"]


@contextmanager
def untouched(net: nn.Module) -> Iterator[nn.Module]:
    """Restore, on the way out, everything of ``net`` and torch that a score may disturb.

    That is: values of parameters and buffers, gradients, ``requires_grad``, train or eval mode of
    every module, and the random state of the CPU and of the network's devices. Hooks are the
    score's own to remove.

    >>> net = nn.BatchNorm1d(2)
    >>> with untouched(net):
    ...     _ = net(torch.ones(3, 2)), net.eval()
    >>> net.num_batches_tracked.item(), net.training
    (0, True)
    """
    parameters = list(net.parameters())
    tensors = [*parameters, *net.buffers()]
    values = [tensor.detach().clone() for tensor in tensors]
    gradients = [(p, p.grad, p.requires_grad) for p in parameters]
    modes = [(module, module.training) for module in net.modules()]
    devices = sorted({t.device.index or 0 for t in tensors if t.is_cuda})
    with torch.random.fork_rng(devices=devices):
        try:
            yield net
        finally:
            with torch.no_grad():
                for tensor, value in zip(tensors, values, strict=True):
                    tensor.copy_(value)
            for parameter, gradient, required in gradients:
                parameter.requires_grad_(required)
                parameter.grad = gradient
            for module, mode in modes:
                module.training = mode
