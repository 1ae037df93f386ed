"""grasp: what moving along the gradient does to the gradient, in the direction of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from nascout.errors import UnsupportedNetwork
from nascout.score.autograd_graph import ancestors
from nascout.score.card import score
from nascout.score.gradients import class_loss, differentiable, weight_gradients
from nascout.score.inputs import Inputs

__all__ = ["grasp"]


@score(
    "grasp",
    paper="arXiv:2002.07376",
    needs="labels",
    gradients=True,
    applies="classifiers with weights that can be differentiated twice",
    deviations="softmax temperature 1, not 200; summed over the network, as in arXiv:2101.08134",
    batch=64,
    invariances=("batch order", "function form"),
)
def grasp(net: nn.Module, x: Inputs, y: Tensor) -> float:
    """Minus the sum over all weights of W · (H g), g and H the loss's gradient and Hessian.

    L is the batch's mean cross-entropy; g and H are with respect to the weights alone. The sign is
    the one of arXiv:2101.08134, section 3.2. On deep networks sign and size change with the seed
    (-1118 and 1765 on one NAS-Bench-201 cell): a single value says little there.

    One forward pass and two backward passes, the second through the first; the network runs in
    train mode (batch statistics).

    Args:
        net: a classifier; it is left as found.
        x: (n, ...) a batch; 64 images in arXiv:2101.08134.
        y: (n,) class indices.

    Raises:
        UnsupportedNetwork: no logits for these labels, logits that depend on no weight, or an
            operation that cannot be differentiated twice.

    Example: both classes equally likely, so H g = (-x³/4, x³/4).
        >>> net = nn.Linear(1, 2, bias=False)
        >>> net.weight.data = torch.tensor([[3.0], [3.0]])
        >>> grasp(net, torch.tensor([[2.0]]), torch.tensor([0])) == 0
        True
    """
    # Of the attention kernels, only the one written out can be differentiated twice.
    with differentiable(net), sdpa_kernel(SDPBackend.MATH):
        pairs = weight_gradients(net, class_loss(net, x, y), create_graph=True)
        products = _hessian_gradient(*zip(*pairs, strict=True))
    terms = (w.detach().double() * product for (w, _), product in zip(pairs, products, strict=True))
    return -sum(float(term.sum()) for term in terms)


def _hessian_gradient(
    weights: tuple[nn.Parameter, ...], gradients: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """H g, tensor by tensor: the derivative of g·g with one of the two held."""
    if _is_cut(gradients):
        raise _not_twice("a function of the network is marked as differentiable once")
    # Not `grad_outputs`: the first call with them imports a computer algebra system.
    product = torch.stack([(gradient.detach() * gradient).sum() for gradient in gradients]).sum()
    try:
        return torch.autograd.grad(product, weights, materialize_grads=True)
    except RuntimeError as error:
        if "derivative" not in str(error):
            raise
        raise _not_twice(str(error).partition("\n")[0]) from error


def _is_cut(gradients: tuple[Tensor, ...]) -> bool:
    """Whether the graph has a node that stands for an error.

    Nothing lies behind it, so a backward pass towards the weights would go round it without a word.
    """
    return any(node.name() == "torch::autograd::Error" for node in ancestors(gradients))


def _not_twice(reason: str) -> UnsupportedNetwork:
    return UnsupportedNetwork(
        f"grasp differentiates twice, and {reason}",
        "Score the network on the CPU, or by another score (nascout scores).",
    )
