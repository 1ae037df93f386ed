"""What an output depends on."""

from __future__ import annotations

from typing import Any

from torch.autograd.graph import Node

from nascout.score.outputs import output_tensors

__all__ = ["ancestors"]


def ancestors(output: Any) -> set[Node]:
    """Every autograd node that ``output`` (a tensor or a nest of them) depends on.

    >>> import torch
    >>> x = torch.ones(1, requires_grad=True)
    >>> sorted(node.name() for node in ancestors(x.exp().sin()))
    ['ExpBackward0', 'SinBackward0', 'torch::autograd::AccumulateGrad']
    """
    seen: set[Node] = set()
    waiting = [tensor.grad_fn for tensor in output_tensors(output)]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [source for source, _ in node.next_functions]
    return seen
