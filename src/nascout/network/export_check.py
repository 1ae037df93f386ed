"""Comparing what was written with the network it came from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nascout.errors import ExportError

__all__ = ["BATCHES", "Run", "as_tuple", "batch_like", "largest_difference", "outputs_of"]

#: One sample, where exporters like to specialise, and several.
BATCHES = (1, 4)

Run = Callable[[Sequence[Tensor]], Sequence[Tensor]]


def batch_like(examples: Sequence[Tensor], size: int, seed: int = 0) -> tuple[Tensor, ...]:
    """Inputs of ``size`` samples with the shapes and types of ``examples``, each (n, ...).

    Floating-point inputs are standard normal; others, which may be indices, repeat the examples.
    The global generator is not used.
    """
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(size, *example.shape[1:], generator=generator, dtype=example.dtype)
        if example.is_floating_point()
        else example[torch.arange(size) % len(example)]
        for example in examples
    )


def outputs_of(net: nn.Module, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What ``net`` gives, always as a tuple.

    Raises:
        ExportError: outputs that are not tensors, or not finite.
    """
    with torch.no_grad():
        outputs = as_tuple(net(*inputs))
    if not all(bool(output.isfinite().all()) for output in outputs):
        raise ExportError(
            "the network gives NaN or infinity for standard normal inputs",
            "An export could not be checked against it; train it, or check its weights.",
        )
    return outputs


def as_tuple(outputs: object) -> tuple[Tensor, ...]:
    """One tensor or several as a tuple.

    Raises:
        ExportError: anything else.
    """
    values = tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)
    tensors = tuple(value for value in values if isinstance(value, Tensor))
    if len(tensors) != len(values):
        raise ExportError(
            f"the network returns a {type(outputs).__name__}",
            "Wrap it so that it returns a tensor or a tuple of tensors.",
        )
    return tensors


def largest_difference(expected: Sequence[Tensor], given: Sequence[Tensor]) -> float:
    """max |expected - given| / max |expected| over all outputs; infinite if the shapes differ.

    >>> largest_difference([torch.tensor([2.0, 4.0])], [torch.tensor([2.0, 3.0])])
    0.25
    """
    if [x.shape for x in expected] != [x.shape for x in given]:
        return math.inf
    worst = 0.0
    for one, other in zip(expected, given, strict=True):
        if one.numel():
            reference = one.double()
            scale = float(reference.abs().max()) or 1.0
            difference = float((reference - other.double()).abs().max()) / scale
            # NaN is no agreement.
            worst = max(worst, difference) if math.isfinite(difference) else math.inf
    return worst
