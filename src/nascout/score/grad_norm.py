"""grad_norm: how large the gradients of the weights are."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nascout.score.card import score
from nascout.score.gradients import class_loss, differentiable, weight_gradients
from nascout.score.graph_gradients import from_weights
from nascout.score.inputs import Inputs

__all__ = ["grad_norm"]


def _total(pairs: Sequence[tuple[Tensor, Tensor]]) -> float:
    """The score from the weights and their gradients."""
    return sum(float(gradient.double().norm()) for _, gradient in pairs)


@score(
    "grad_norm",
    paper="arXiv:2101.08134",
    equation="section 3.2",
    needs="labels",
    gradients=True,
    applies="classifiers with weights",
    batch=64,
    invariances=("batch order", "function form"),
    at_once=from_weights(_total),
)
def grad_norm(net: nn.Module, x: Inputs, y: Tensor) -> float:
    """Sum over the weights W of ‖∂L/∂W‖₂, L the batch's mean cross-entropy.

    The network runs in train mode (batch statistics).

    Args:
        net: a classifier; it is left as found.
        x: (n, ...) a batch; the paper uses 64 images.
        y: (n,) class indices.

    Raises:
        UnsupportedNetwork: no logits for these labels, or logits that depend on no weight.

    Example: both classes equally likely, so the gradient is (-x/2, x/2).
        >>> import torch
        >>> net = nn.Linear(1, 2, bias=False)
        >>> net.weight.data.zero_()
        tensor([[0.],
                [0.]])
        >>> round(grad_norm(net, torch.tensor([[2.0]]), torch.tensor([0])), 6)  # root of 1 + 1
        1.414214
    """
    with differentiable(net):
        pairs = weight_gradients(net, class_loss(net, x, y))
    return _total(pairs)
