"""A score leaves the network as it found it, whether it returns or raises."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch
from torch import nn

__all__ = ["untouched"]

# Recurrent layers keep lists of their weights, which functional_call leaves with its own tensors.
FLAT: Final[tuple[str, ...]] = ("_flat_weights", "_flat_weight_refs")


@contextmanager
def untouched(net: nn.Module) -> Iterator[nn.Module]:
    """Restore, on the way out, everything of ``net`` and torch that a score may disturb.

    That is: values of parameters and buffers, gradients, ``requires_grad``, train or eval mode of
    every module, a recurrent layer's list of its weights, and the random state of Python, NumPy,
    the CPU and the network's devices. Hooks are the score's own to remove.

    Inside, no parameter has a gradient, and what the network draws itself (dropout) starts from
    seed 0, so that a score does not depend on what ran before.

    >>> net = nn.BatchNorm1d(2)
    >>> with untouched(net):
    ...     _ = net(torch.ones(3, 2)), net.eval()
    >>> net.num_batches_tracked.item(), net.training
    (0, True)
    """
    modules = list(net.modules())
    parameters = list({id(p): p for m in modules for p in m._parameters.values()}.values())
    buffers = list({id(b): b for m in modules for b in m._buffers.values()}.values())
    tensors = [tensor for tensor in (*parameters, *buffers) if tensor is not None]
    values = [tensor.detach().clone() for tensor in tensors]
    gradients = [(p, p.grad, p.requires_grad) for p in parameters if p is not None]
    modes = [module.training for module in modules]
    recurrent = [(vars(m), {k: vars(m)[k] for k in FLAT if k in vars(m)}) for m in modules]
    with _random_state(sorted({t.device.index or 0 for t in tensors if t.is_cuda})):
        try:
            # Set aside, for a backward pass would add to them in place.
            for parameter, _, _ in gradients:
                parameter.grad = None
            yield net
        finally:
            for tensor, value in zip(tensors, values, strict=True):
                # Through .data: an autograd graph that the caller holds stays valid.
                tensor.data.copy_(value)
            for parameter, gradient, required in gradients:
                parameter.requires_grad_(required)
                parameter.grad = gradient
            for module, mode in zip(modules, modes, strict=True):
                if module.training != mode:  # Module.__setattr__ is slow
                    module.training = mode
            for attributes, lists in recurrent:
                attributes.update(lists)


@contextmanager
def _random_state(devices: list[int]) -> Iterator[None]:
    """Seed every generator with 0, and put them back on the way out."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=devices):
        try:
            random.seed(0)
            np.random.seed(0)
            torch.default_generator.manual_seed(0)
            for device in devices:
                torch.cuda.default_generators[device].manual_seed(0)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
