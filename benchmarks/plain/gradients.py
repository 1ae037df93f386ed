"""Gradient scores as the zero-cost-nas code computes them: one network, one backward pass each."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["fisher", "grad_norm", "jacob_cov", "snip", "synflow"]

LAYERS = (nn.Conv2d, nn.Linear)


def _layers(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if isinstance(m, LAYERS)]


def _backward(net: nn.Module, x: Tensor, y: Tensor) -> None:
    net.train()
    net.zero_grad()
    F.cross_entropy(net(x), y).backward()


def grad_norm(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Sum over layers of the norm of the weight's gradient."""
    _backward(net, x, y)
    return sum(float(m.weight.grad.norm()) for m in _layers(net) if m.weight.grad is not None)


def snip(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Sum over weights of |W · g|."""
    _backward(net, x, y)
    found = [m.weight for m in _layers(net) if m.weight.grad is not None]
    return sum(float((w.detach() * w.grad).abs().sum()) for w in found)


def fisher(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Half the mean square of each channel's Σ a · ∂L/∂a, gathered by hooks."""
    total = 0.0
    kept: dict[nn.Module, Tensor] = {}

    def forward(module: nn.Module, _: object, output: Tensor) -> None:
        kept[module] = output
        output.register_hook(lambda slope: backward(module, slope))

    def backward(module: nn.Module, slope: Tensor) -> None:
        nonlocal total
        product = kept[module].detach() * slope
        channels = product.sum((2, 3)) if product.dim() == 4 else product
        total += float(channels.square().mean(0).sum()) / 2

    hooks = [m.register_forward_hook(forward) for m in _layers(net)]
    _backward(net, x, y)
    for hook in hooks:
        hook.remove()
    return total


def jacob_cov(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Minus Σ log(v + k) + 1/(v + k) over eigenvalues of the correlation of the Jacobian's rows."""
    net.train()
    net.zero_grad()
    images = x.clone().requires_grad_(True)
    output = net(images)
    output.backward(torch.ones_like(output))
    rows = images.grad.reshape(len(x), -1).numpy()
    values = np.linalg.eigvalsh(np.corrcoef(rows)) + 1e-5
    return -float(np.sum(np.log(values) + 1 / values))


def synflow(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Σ |W · ∂R/∂W| in float64: weights absolute, normalisations removed, one sample of ones."""
    net.double().eval()
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.abs_()
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            parent = net.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], nn.Identity())
    net.zero_grad()
    net(torch.ones(1, *x.shape[1:], dtype=torch.float64)).sum().backward()
    found = [m.weight for m in _layers(net) if m.weight.grad is not None]
    return sum(float((w.detach() * w.grad).abs().sum()) for w in found)
