"""Synflow without a backward pass: how the output grows with all weights at once.

Scale every weight by a. The sum over all weights of W · ∂R/∂W is the derivative of R by a at
a = 1, so it can be carried along with the forward pass: every tensor is a pair of samples, its
value and its derivative by a, which is called its flow here. What passes on sums of its inputs
does so for both; a layer with weights adds its value to its flow.

A network of such parts is homogeneous: ``unit`` for ones in gives ``unit`` times R. With a small
one, float32 is wide enough for values up to 1e60.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual

from nascout.graph import Graph
from nascout.graph.gates import Multiply, ReLU6, Sigmoid, SiLU
from nascout.graph.op import Op
from nascout.graph.ops import Conv2d, DepthwiseConv2d, Linear, MaxPool

__all__ = ["is_homogeneous", "with_flow"]

LAYERS = (Conv2d, DepthwiseConv2d, Linear)
GATES = (ReLU6, Sigmoid, SiLU, Multiply)


def is_homogeneous(graph: Graph) -> bool:
    """Whether twice the input gives twice the output, biases apart.

    >>> from nascout.space.nasbench201 import EXAMPLE, NasBench201
    >>> is_homogeneous(NasBench201().parse(EXAMPLE).graph())
    True
    """
    return not any(isinstance(node.op, GATES) for node in graph)


def with_flow(unit: float) -> Callable[[Op, nn.Module], nn.Module]:
    """What makes of a module one that runs on pairs of a value and its flow.

    Its weights become absolute. In goes (2 · networks, ...), the value and the flow of each
    network in turn, in multiples of ``unit``. Nothing is ever negative, so ReLUs change nothing.

    >>> layer = nn.Linear(2, 1, bias=False)
    >>> layer.weight.data = torch.tensor([[-1.0, 2.0]])
    >>> with_flow(1.0)(Linear(1), layer)(torch.tensor([[1.0, 1.0], [0.5, 0.0]])).tolist()
    [[3.0], [3.5]]
    """

    def wrap(op: Op, module: nn.Module) -> nn.Module:
        if isinstance(op, LAYERS):
            return _Weighted(module, unit)
        return _Curved(module) if isinstance(op, (MaxPool, *GATES)) else module

    return wrap


class _Weighted(nn.Module):
    """A convolution or matrix; its bias is no part of the flow."""

    def __init__(self, module: nn.Module, unit: float) -> None:
        super().__init__()
        for parameter in module.parameters():
            parameter.data = parameter.data.abs()
        bias = dict(module.named_parameters()).get("bias")
        self.bias = None if bias is None else bias.data * unit
        module.register_parameter("bias", None)
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """x: (2 · networks, ...)."""
        y: Tensor = self.module(x)
        y[1::2] += y[::2]
        if self.bias is not None:
            y[::2] += self.bias.view(-1, *[1] * (y.dim() - 2))
        return y


class _Curved(nn.Module):
    """Anything else, by forward-mode differentiation."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *xs: Tensor) -> Tensor:
        """xs: each (2 · networks, ...)."""
        with dual_level():
            pairs = [make_dual(x[::2].contiguous(), x[1::2].contiguous()) for x in xs]  # type: ignore[no-untyped-call]
            value, flow = unpack_dual(self.module(*pairs))  # type: ignore[no-untyped-call]
            return torch.stack((value, flow), dim=1).flatten(0, 1)
