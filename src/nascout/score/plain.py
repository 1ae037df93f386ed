"""plain: what the loss would change by, to first order, if all weights grew alike."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nascout.score.card import score
from nascout.score.gradients import class_loss, differentiable, weight_gradients
from nascout.score.graph_gradients import from_weights
from nascout.score.inputs import Inputs

__all__ = ["plain"]


def _total(pairs: Sequence[tuple[Tensor, Tensor]]) -> float:
    """The score from the weights and their gradients."""
    products = (weight.detach().double() * gradient for weight, gradient in pairs)
    return sum(float(product.sum()) for product in products)


@score(
    "plain",
    paper="arXiv:2101.08134",
    equation="released code",
    needs="labels",
    gradients=True,
    applies="classifiers with weights; blind to those that a normalisation follows",
    batch=64,
    invariances=("batch order", "function form"),
    at_once=from_weights(_total),
)
def plain(net: nn.Module, x: Inputs, y: Tensor) -> float:
    """Sum over all weights of W · ∂L/∂W, with its sign; L the batch's mean cross-entropy.

    A normalisation takes the scale of the weights before it away, so theirs sum to zero but for
    rounding and its epsilon: what is left is the other weights, the classifier's as a rule. In
    float32, a tensor's rounding is about 1e-7 of its part of :func:`snip`, often a thousand times
    larger.

    Args:
        net: a classifier; it is left as found.
        x: (n, ...) a batch; 64 images in arXiv:2101.08134.
        y: (n,) class indices.

    Raises:
        UnsupportedNetwork: no logits for these labels, or logits that depend on no weight.

    Example: both classes equally likely, so the gradient is (-x/2, x/2).
        >>> import torch
        >>> net = nn.Linear(1, 2, bias=False)
        >>> net.weight.data = torch.tensor([[3.0], [3.0]])
        >>> plain(net, torch.tensor([[2.0]]), torch.tensor([0]))  # 3 · -1 + 3 · 1
        0.0
    """
    with differentiable(net):
        pairs = weight_gradients(net, class_loss(net, x, y))
    return _total(pairs)
