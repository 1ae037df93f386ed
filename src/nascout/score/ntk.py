"""The neural tangent kernel's condition number: how evenly a network can be trained."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nascout.errors import UnsupportedNetwork
from nascout.score.card import score
from nascout.score.gradients import differentiable
from nascout.score.inputs import Inputs, call, each, samples
from nascout.score.outputs import first_output
from nascout.score.weights import weights

__all__ = ["condition_number", "ntk", "tangent_kernel"]


@score(
    "ntk",
    paper="arXiv:2102.11535",
    equation="eq. 3",
    higher_is_better=False,
    gradients=True,
    applies="differentiable networks with weights; memory grows with samples times weights",
    deviations="from the released code: one set of weights, products and eigenvalues in float64, "
    "NaN stays NaN",
    batch=72,
    invariances=("batch order", "function form"),
)
def ntk(net: nn.Module, x: Inputs) -> float:
    """Condition number of the neural tangent kernel: largest over smallest eigenvalue. Lower wins.

    The kernel is J J^T (n, n), where row i of J is the gradient of sample i's summed outputs with
    respect to all weights and scales of normalisations, not biases. In train mode: through the
    batch statistics, row i depends on the whole batch, as in the authors' code.

    Args:
        net: any network; it is left as found. The paper uses 3 channels and one cell per stage.
        x: (n, ...) a batch; the paper uses 72 images.

    Returns:
        At least 1; inf if the kernel is singular to working precision, NaN if it is not finite.

    Raises:
        UnsupportedNetwork: an output that depends on no weight, or without one row per sample.

    Example:
        >>> net = nn.Linear(2, 1)  # the kernel of a linear layer is that of its inputs
        >>> round(ntk(net, torch.tensor([[1.0, 0.0], [0.0, 2.0]])), 6)
        4.0
    """
    return condition_number(tangent_kernel(net, x))


def tangent_kernel(net: nn.Module, x: Inputs) -> Tensor:
    """J J^T (n, n) in float64, for the n samples of the batch; see :func:`ntk`."""
    with differentiable(net):
        # Clones: the network may begin with an operation in place.
        output = first_output(call(net, each(torch.clone, x)), samples(x))
        sums = output.flatten(1).sum(1)
        used = _used(sums, net)
        rows = [
            torch.autograd.grad(one, used, retain_graph=True, materialize_grads=True)
            for one in sums
        ]
    kernel = torch.zeros((len(rows), len(rows)), dtype=torch.float64, device=sums.device)
    for gradients in zip(*rows, strict=True):  # one by one: in float64 they take twice the room
        matrix = torch.stack(gradients).flatten(1).double()
        kernel += matrix @ matrix.T
    return kernel


def _used(sums: Tensor, net: nn.Module) -> list[nn.Parameter]:
    """The weights and scales that ``sums`` depends on."""
    scales = {
        name: parameter
        for name, parameter in net.named_parameters()
        if parameter.dim() == 1 and name.rpartition(".")[2] == "weight"
    }
    every = list((weights(net) | scales).values())
    gradients: tuple[Tensor | None, ...] = ()
    if every and sums.requires_grad:
        gradients = torch.autograd.grad(sums.sum(), every, retain_graph=True, allow_unused=True)
    used = [w for w, gradient in zip(every, gradients, strict=False) if gradient is not None]
    if not used:
        raise UnsupportedNetwork(
            "the output depends on no weight", "Score a network with convolutions or matrices."
        )
    return used


def condition_number(kernel: Tensor) -> float:
    """Largest over smallest eigenvalue of a symmetric matrix without negative eigenvalues.

    inf if the smallest is zero to working precision, NaN if a value is not finite.

    >>> kernels = torch.diag(torch.tensor([1.0, 8.0])), torch.ones(2, 2)
    >>> [condition_number(kernel.double()) for kernel in kernels]
    [8.0, inf]
    """
    if not kernel.isfinite().all():
        return math.nan
    values = torch.linalg.eigvalsh(kernel)
    smallest, largest = float(values[0]), float(values[-1])
    if smallest <= len(values) * torch.finfo(values.dtype).eps * largest:
        return math.inf
    return largest / smallest
