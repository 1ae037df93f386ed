"""What a network returns, whatever it is wrapped in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

from torch import Tensor

from nascout.errors import UnsupportedNetwork

__all__ = ["first_output", "output_tensors"]


def output_tensors(output: Any) -> Iterator[Tensor]:
    """Every tensor of a tensor, or of nested lists, tuples, mappings and dataclasses, in order.

    >>> import torch
    >>> [t.item() for t in output_tensors({"logits": torch.tensor(1), "more": [torch.tensor(2)]})]
    [1, 2]
    """
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from output_tensors(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from output_tensors(value)
    elif is_dataclass(output) and not isinstance(output, type):
        yield from output_tensors(vars(output))


def first_output(output: Any, samples: int) -> Tensor:
    """The first tensor of the output, which must have one row per sample.

    Raises:
        UnsupportedNetwork: no tensor, or one that is not (samples, ...).
    """
    first = next(output_tensors(output), None)
    if first is None or first.dim() == 0 or len(first) != samples:
        given = "no tensor" if first is None else f"a tensor {tuple(first.shape)}"
        raise UnsupportedNetwork(
            f"a score reads one output per sample, and the network gives {given}",
            f"Score a network whose first output is ({samples}, ...) for this batch.",
        )
    return first
