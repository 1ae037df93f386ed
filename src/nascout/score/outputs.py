"""What a network returns, whatever it is wrapped in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

from torch import Tensor

__all__ = ["output_tensors"]


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
