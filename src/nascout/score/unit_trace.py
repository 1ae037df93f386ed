"""The steps of any module for the unit graph, found in one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from nascout.errors import UnsupportedNetwork
from nascout.score.inputs import Inputs, call, each, tensors
from nascout.score.outputs import output_tensors
from nascout.score.unit_functions import RULES
from nascout.score.unit_steps import Source, Step
from nascout.score.unit_trail import Call, Followed, Trail, spread
from nascout.score.untouched import untouched

__all__ = ["traced_steps"]

# What they give depends on a tensor's size alone.
_CONSTANTS = frozenset(
    [
        *(f"new_{kind}" for kind in ("zeros", "ones", "empty", "full", "tensor")),
        *(f"{kind}_like" for kind in ("zeros", "ones", "empty", "full", "rand", "randn")),
    ]
)


def traced_steps(net: nn.Module, x: Inputs) -> tuple[list[Step], list[int], dict[str, Tensor]]:
    """The steps of ``net`` for one sample of ``x`` in eval mode, those that give its outputs, and
    the weights of its layers by name.

    Layers count as often as they are called. Functions that read no more than a tensor's sizes,
    or nothing that depends on the input, do not matter.

    Raises:
        UnsupportedNetwork: a function that means nothing to the unit graph; names it.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    >>> steps, outputs, weights = traced_steps(net, torch.zeros(1, 3, 4, 4))
    >>> [type(step.operation).__name__ for step in steps], outputs, list(weights)
    (['Source', 'Conv', 'Dense'], [2], ['0.weight', '3.weight'])
    """
    trail = Trail({id(parameter): name for name, parameter in net.named_parameters()})
    # Two rows, so that the batch is no dimension to squeeze.
    sample = each(lambda t: t[:1].expand(2, *t.shape[1:]).clone(), x)
    for tensor in tensors(sample):
        axis = min(1, tensor.dim() - 1)
        channels = tensor.shape[1] if axis else 1
        step = trail.add(Source(channels), width=channels)
        numbers = spread(torch.arange(channels), tensor.shape, axis)
        trail.known[tensor] = Followed(step, numbers)
    with untouched(net), torch.no_grad():
        net.eval()
        with _Follow(trail):
            output = call(net, sample)
    followed = [trail.known[t].step for t in output_tensors(output) if t in trail.known]
    if not followed:
        raise UnsupportedNetwork(
            "the unit graph cannot follow the input to an output",
            "Score a network whose output depends on its input, not scripted or compiled.",
        )
    return trail.steps, followed, trail.weights


class _Follow(TorchFunctionMode):
    """Applies the rule of every function that reads a followed tensor."""

    def __init__(self, trail: Trail) -> None:
        super().__init__()
        self.trail = trail

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs, known, name = kwargs or {}, self.trail.known, _name(func)
        given = _tensors((args, kwargs))
        read = tuple([known[tensor] for tensor in given if tensor in known])
        result = func(*args, **kwargs)
        made = _tensors(result)
        writes = name == "setitem" or kwargs.get("out") is not None
        if not read or not (made or writes) or name in _CONSTANTS:
            return result
        called = Call(func, name, args, kwargs, result, read)
        if name not in RULES or writes:
            raise called.unsupported("it has no meaning there")
        step, channel = RULES[name](self.trail, called)
        for tensor, numbers in zip(made, _tensors(channel), strict=True):
            if tensor in known and tensor._base is not None and known[tensor].step != step:
                raise called.unsupported("it changes a part of another tensor in place")
            known[tensor] = Followed(step, numbers)
        return result


def _name(func: Callable[..., Any]) -> str:
    """``add`` for ``Tensor.__iadd__`` or ``add_``, ``data`` for the getter of ``Tensor.data``."""
    name: str = getattr(func, "__name__", type(func).__name__)
    return func.__self__.__name__ if name == "__get__" else name.strip("_")  # type: ignore[attr-defined]


def _tensors(nest: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(nest) if isinstance(leaf, Tensor)]
