"""snip: how much the loss would notice the loss of single weights."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nascout.score.card import score
from nascout.score.gradients import class_loss, differentiable, weight_gradients
from nascout.score.graph_gradients import from_weights
from nascout.score.inputs import Inputs

__all__ = ["snip"]


def _total(pairs: Sequence[tuple[Tensor, Tensor]]) -> float:
    """The score from the weights and their gradients."""
    products = (weight.detach().double() * gradient for weight, gradient in pairs)
    return sum(float(product.abs().sum()) for product in products)


@score(
    "snip",
    paper="arXiv:1810.02340",
    needs="labels",
    gradients=True,
    applies="classifiers with weights",
    deviations="summed over the network and not normalised, as in arXiv:2101.08134",
    batch=64,
    invariances=("batch order", "function form"),
    at_once=from_weights(_total),
)
def snip(net: nn.Module, x: Inputs, y: Tensor) -> float:
    """Sum over all weights of |W · ∂L/∂W|, L the batch's mean cross-entropy.

    The pruning paper differentiates by masks of ones, which is the same product, and divides by
    its sum over the network; as a score of networks it is that sum (arXiv:2101.08134, section
    3.2). The network runs in train mode (batch statistics).

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
        >>> snip(net, torch.tensor([[2.0]]), torch.tensor([0]))  # |3 · -1| + |3 · 1|
        6.0
    """
    with differentiable(net):
        pairs = weight_gradients(net, class_loss(net, x, y))
    return _total(pairs)
