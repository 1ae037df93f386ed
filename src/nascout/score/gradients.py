"""Differentiating a network that is left as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascout.errors import UnsupportedNetwork
from nascout.score.inputs import Inputs, call, samples
from nascout.score.outputs import first_output
from nascout.score.untouched import untouched
from nascout.score.weights import weights

__all__ = ["class_loss", "differentiable", "logits_loss", "weight_gradients"]


@contextmanager
def differentiable(net: nn.Module) -> Iterator[nn.Module]:
    """In train mode, every parameter requiring gradients (a frozen one, too), for a while."""
    with untouched(net), torch.enable_grad():
        net.train()
        for parameter in net.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        yield net


def class_loss(net: nn.Module, x: Inputs, y: Tensor) -> Tensor:
    """Mean cross-entropy of the first output, (n, classes) or (n, positions, classes).

    Args:
        net: the network.
        x: a batch of n samples.
        y: class indices, (n,) or (n, positions).

    Raises:
        UnsupportedNetwork: outputs that are no logits for these labels.
    """
    return logits_loss(first_output(call(net, x), samples(x)), y)


def logits_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy; arguments and errors as for :func:`class_loss`."""
    if logits.dim() < 2 or logits.shape[:-1] != y.shape:
        raise UnsupportedNetwork(
            f"outputs {tuple(logits.shape)} are no logits for labels {tuple(y.shape)}",
            "Score a classifier, with labels of its outputs' shape without the last dimension.",
        )
    if y.numel() and int(y.max()) >= logits.shape[-1]:
        raise UnsupportedNetwork(
            f"label {int(y.max())} for a network of {logits.shape[-1]} outputs",
            "Score a network with as many outputs as there are classes.",
        )
    return F.cross_entropy(logits.flatten(0, -2), y.flatten())


def weight_gradients(
    net: nn.Module, loss: Tensor, *, create_graph: bool = False
) -> list[tuple[nn.Parameter, Tensor]]:
    """Every weight that ``loss`` depends on, with its gradient, in the order of ``weights``.

    Raises:
        UnsupportedNetwork: no such weight.
    """
    found = list(weights(net).values())
    gradients: tuple[Tensor | None, ...] = ()
    if found and loss.requires_grad:
        gradients = torch.autograd.grad(loss, found, create_graph=create_graph, allow_unused=True)
    pairs = [(w, g) for w, g in zip(found, gradients, strict=False) if g is not None]
    if not pairs:
        raise UnsupportedNetwork(
            "the output depends on no weight", "Score a network with convolutions or matrices."
        )
    return pairs
