"""Everything about a network, and about the process, that a score must leave as it was."""

from __future__ import annotations

import math
import random
from typing import Any
from weakref import ref

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Snapshot", "equal"]


class Snapshot:
    """What a network and the random generators are now.

    >>> net = nn.BatchNorm1d(2)
    >>> before = Snapshot(net)
    >>> _ = net(torch.ones(3, 2))
    >>> before.changes(net)
    ['buffer running_mean', 'buffer running_var', 'buffer num_batches_tracked']
    """

    def __init__(self, net: nn.Module) -> None:
        self._seen = _everything(net)

    def changes(self, net: nn.Module) -> list[str]:
        """What of ``net`` or of the generators is not as it was, each in a few words."""
        now = _everything(net)
        names = [*self._seen, *(name for name in now if name not in self._seen)]
        return [name for name in names if not equal(self._seen.get(name), now.get(name))]


def _everything(net: nn.Module) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for name, parameter in net.named_parameters():
        gradient = parameter.grad
        seen[f"parameter {name}"] = parameter.detach().clone()
        seen[f"identity of {name}"] = id(parameter)
        seen[f"layout of {name}"] = (parameter.stride(), parameter.device)
        seen[f"gradient of {name}"] = None if gradient is None else gradient.clone()
        seen[f"requires_grad of {name}"] = parameter.requires_grad
        seen[f"hooks on {name}"] = [
            list(getattr(parameter, kind) or ())
            for kind in ("_backward_hooks", "_post_accumulate_grad_hooks")
        ]
    for name, buffer in net.named_buffers():
        seen[f"buffer {name}"] = buffer.clone()
    for name, module in net.named_modules():
        seen[f"mode of {name or 'the network'}"] = module.training
        seen[f"hooks of {name or 'the network'}"] = _hooks(vars(module))
        seen[f"attributes of {name or 'the network'}"] = _attributes(module)
    seen["global hooks"] = _hooks(vars(torch.nn.modules.module))
    seen["gradient mode"] = torch.is_grad_enabled()
    seen["default dtype"] = torch.get_default_dtype()
    seen["number of threads"] = torch.get_num_threads()
    seen["deterministic mode"] = torch.are_deterministic_algorithms_enabled()
    seen["attention's fast path"] = torch.backends.mha.get_fastpath_enabled()
    seen["torch's generator"] = torch.get_rng_state()
    seen["Python's generator"] = random.getstate()
    seen["NumPy's generator"] = [str(part) for part in np.random.get_state(legacy=True)]
    return seen


def _hooks(attributes: dict[str, Any]) -> dict[str, list[Any]]:
    return {
        name: list(value)
        for name, value in attributes.items()
        if name.endswith("_hooks") and isinstance(value, dict)
    }


def _attributes(module: nn.Module) -> dict[str, Any]:
    """Which module it is, of which class, with which attributes: plain ones by value."""
    values = {name: _value(value) for name, value in vars(module).items() if name != "training"}
    return {"": (id(module), type(module)), **values}


def _value(value: Any) -> Any:
    if isinstance(value, list):  # an LSTM keeps one of its weights, and one of references to them
        return [id(item() if isinstance(item, ref) else item) for item in value]
    return value if isinstance(value, bool | int | float | str | tuple | None) else id(value)


def equal(one: Any, other: Any) -> bool:
    """Equality of values, bit by bit for tensors and floats: NaN equals NaN."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        return bool(((one == other) | (one.isnan() & other.isnan())).all())
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and bool(one == other)
