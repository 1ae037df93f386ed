"""A batch for networks of one input or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

__all__ = ["Inputs", "as_leaves", "call", "each", "samples", "tensors"]

# One tensor (n, ...), a tuple of them for networks of several inputs, or a dict by argument name.
Inputs = Tensor | tuple[Tensor, ...] | Mapping[str, Tensor]


def call(net: nn.Module, x: Inputs) -> Any:
    """What the network gives for the batch."""
    if isinstance(x, Tensor):
        return net(x)
    return net(**x) if isinstance(x, Mapping) else net(*x)


def tensors(x: Inputs) -> list[Tensor]:
    """The batch's tensors, each (n, ...), in order."""
    if isinstance(x, Tensor):
        return [x]
    return list(x.values() if isinstance(x, Mapping) else x)


def samples(x: Inputs) -> int:
    """n, the number of samples."""
    return len(tensors(x)[0])


def each(function: Callable[[Tensor], Tensor], x: Inputs) -> Inputs:
    """The batch with ``function`` applied to every tensor of it.

    >>> each(Tensor.neg, {"x": Tensor([1.0, 2.0])})
    {'x': tensor([-1., -2.])}
    """
    if isinstance(x, Tensor):
        return function(x)
    if isinstance(x, Mapping):
        return {name: function(tensor) for name, tensor in x.items()}
    return tuple(function(tensor) for tensor in x)


def as_leaves(x: Inputs) -> Inputs:
    """Fresh leaves of the autograd graph; those of floating point require gradients."""
    return each(lambda t: t.detach().clone().requires_grad_(t.is_floating_point()), x)
