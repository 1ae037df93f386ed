"""The Jacobian of a network with respect to its inputs, one row per sample."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nascout.errors import UnsupportedNetwork
from nascout.score.gradients import differentiable
from nascout.score.inputs import Inputs, as_leaves, call, each, samples, tensors
from nascout.score.outputs import first_output

__all__ = ["input_jacobian"]


def input_jacobian(net: nn.Module, x: Inputs) -> tuple[Tensor, Tensor]:
    """The gradient of the summed outputs with respect to each sample, by one backward pass.

    In train mode, as the literature has it: batch statistics couple the samples, and row i holds
    what sample i does to all outputs.

    Args:
        net: any network; it is left as found.
        x: a batch of n samples; of several inputs, those of floating point count, side by side.

    Returns:
        J (n, D) float64, and the network's first output (n, ...), detached.

    Raises:
        UnsupportedNetwork: no input of floating point, or an output without a gradient.

    Example:
        >>> net = nn.Linear(2, 1, bias=False)
        >>> _ = net.weight.data.copy_(torch.tensor([[2.0, 3.0]]))
        >>> input_jacobian(net, torch.zeros(2, 2))[0].tolist()
        [[2.0, 3.0], [2.0, 3.0]]
    """
    with differentiable(net):
        leaves = as_leaves(x)
        floating = [leaf for leaf in tensors(leaves) if leaf.requires_grad]
        if not floating:
            raise UnsupportedNetwork(
                "there is no gradient with respect to integers, such as tokens",
                "Score the part of the network behind the embedding, on embedded inputs.",
            )
        # Clones: the network may begin with an operation in place.
        output = first_output(call(net, each(torch.clone, leaves)), samples(x))
        if not output.requires_grad:
            raise UnsupportedNetwork(
                "the output has no gradient: it is detached, or of integers",
                "Score a network that gives differentiable outputs, such as logits.",
            )
        rows = torch.autograd.grad(
            output, floating, torch.ones_like(output), allow_unused=True, materialize_grads=True
        )
    return torch.cat([row.flatten(1).double() for row in rows], dim=1), output.detach()
