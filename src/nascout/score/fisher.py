"""fisher: how much the loss would notice the loss of single channels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nascout.errors import UnsupportedNetwork
from nascout.graph.ops import Conv2d, DepthwiseConv2d, Linear
from nascout.score.card import score
from nascout.score.channels import CHANNELS
from nascout.score.gradients import class_loss, differentiable
from nascout.score.graph_gradients import Gradient, from_outputs
from nascout.score.inputs import Inputs, samples

__all__ = ["fisher"]


def _channels(slope: Tensor) -> float:
    """Sum over channels of half the mean square over samples; slope: (n, channels)."""
    return float(slope.double().square().mean(0).sum()) / 2


def _total(layers: Sequence[Gradient]) -> float:
    """The score from the layers' outputs a and their gradients; of a channel, Σ a · ∂L/∂a."""
    products = (layer.tensor * layer.slope for layer in layers)
    return sum(_channels(p.flatten(2).sum(2) if p.dim() > 2 else p) for p in products)


@score(
    "fisher",
    paper="arXiv:1906.04113",
    needs="labels",
    gradients=True,
    applies="classifiers with convolutions or linear layers (not those inside fused attention "
    "and recurrent layers), the batch first throughout",
    deviations="each channel counts once (released=False)",
    batch=64,
    invariances=("batch order", "function form"),
    at_once=from_outputs((Conv2d, DepthwiseConv2d, Linear), _total),
)
def fisher(net: nn.Module, x: Inputs, y: Tensor, *, released: bool = False) -> float:
    """Sum over channels of ½ mean over samples of (Σ a · ∂L/∂a)², Σ over a channel's positions.

    Activations a are the outputs of every call of a convolution or linear layer, as a module or
    as a function, before what follows it. L is the batch's mean cross-entropy. The network runs in
    train mode (batch statistics).

    Args:
        net: a classifier; it is left as found.
        x: (n, ...) a batch; 64 images in arXiv:2101.08134.
        y: (n,) class indices.
        released: count each channel as often as it has weights, as the released code of
            arXiv:2101.08134 does when it spreads a channel's value over its weights before it
            sums. Ranks move.

    Raises:
        UnsupportedNetwork: no logits for these labels, no convolution or linear layer that they
            depend on, or one whose output is not a batch.

    Not seen are products that PyTorch computes inside another function: those of
    ``nn.MultiheadAttention`` and of recurrent layers.

    Example: a = (6, 6), and both classes equally likely, so a · ∂L/∂a = (-3, 3).
        >>> net = nn.Linear(1, 2, bias=False)
        >>> net.weight.data = torch.tensor([[3.0], [3.0]])
        >>> fisher(net, torch.tensor([[2.0]]), torch.tensor([0]))  # (9 + 9) / 2
        9.0
    """
    with differentiable(net), _Gates(samples(x)) as gates:
        loss = class_loss(net, x, y)
    found = [gate for gate, _ in gates.found]
    slopes: tuple[Tensor | None, ...] = ()
    if found and loss.requires_grad:
        slopes = torch.autograd.grad(loss, found, allow_unused=True)
    terms = [
        _channels(slope) * (weights if released else 1)
        for slope, (_, weights) in zip(slopes, gates.found, strict=False)
        if slope is not None
    ]
    if not terms:
        raise UnsupportedNetwork(
            "the output depends on no convolution or linear layer that fisher sees",
            "Score a network with some, or by another score (nascout scores).",
        )
    return sum(terms)


class _Gates(TorchFunctionMode):
    """Multiplies each channel of every activation by a one of its own per sample.

    The derivative by such a gate is Σ a · ∂L/∂a over the channel's positions. The product is a
    tensor of its own, so the network may overwrite it.
    """

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch
        # (batch, channels) gates, and how many weights each channel has.
        self.found: list[tuple[Tensor, int]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if func not in CHANNELS:
            return output
        dim = output.dim() + CHANNELS[func]
        if dim < 1 or len(output) % self.batch:
            raise UnsupportedNetwork(
                f"{func.__name__} gives {tuple(output.shape)}, no batch of {self.batch}",
                "fisher needs the batch as the first dimension throughout.",
            )
        channels = output.shape[dim]
        gate = output.new_ones(self.batch, channels).requires_grad_()
        weight = args[1] if len(args) > 1 else kwargs["weight"]
        self.found.append((gate, weight.numel() // channels))
        shape = [1] * output.dim()
        shape[0], shape[dim] = len(output), channels
        return output * gate.repeat_interleave(len(output) // self.batch, 0).view(shape)
