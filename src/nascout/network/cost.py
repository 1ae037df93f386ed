"""The cost of any network: from its graph where there is one, else counted while it runs."""

from __future__ import annotations

import weakref
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from nascout.errors import UnsupportedNetwork
from nascout.graph import Graph, graph_cost
from nascout.network.module import Network
from nascout.records import Cost
from nascout.space import Architecture

__all__ = ["network_cost"]

aten = torch.ops.aten


def network_cost(
    target: nn.Module | Architecture | Graph, input_shape: tuple[int, ...] | None = None
) -> Cost:
    """Params, MACs (``flops = 2 * macs``) and peak activation bytes for one sample.

    For an architecture, a graph or a network built from one, by the op table. For any other
    module, by one forward pass of one sample in eval mode: convolutions and matrix products count
    one MAC per multiply-add and one per bias added; tensors alive together are added up.

    Args:
        target: what to cost; a module is left as found.
        input_shape: of one sample, without the batch; only a foreign module needs it.

    Raises:
        UnsupportedNetwork: a foreign module without ``input_shape``, or that cannot run on it.

    Example:
        >>> network_cost(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2))
        Cost(params=65, macs=65, activation_bytes=68)
    """
    if isinstance(target, Architecture):
        return graph_cost(target.graph())
    if isinstance(target, Graph):
        return graph_cost(target)
    if isinstance(target, Network):
        return graph_cost(target.graph)
    if input_shape is None:
        raise UnsupportedNetwork(
            f"the cost of a {type(target).__name__} depends on its input's size",
            "Pass input_shape, for instance (3, 32, 32).",
        )
    return _measured(target, input_shape)


def _measured(net: nn.Module, input_shape: tuple[int, ...]) -> Cost:
    first = next(net.parameters(), torch.empty(0))
    sample = torch.zeros((1, *input_shape), dtype=first.dtype, device=first.device)
    modes = [(module, module.training) for module in net.modules()]
    counter = FlopCounterMode(
        display=False,
        custom_mapping={aten.convolution: _conv_flops, aten.addmm: _addmm_flops},
    )
    try:
        net.eval()
        with torch.no_grad(), counter, _PeakBytes(sample) as memory:
            net(sample)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise UnsupportedNetwork(
            f"{type(net).__name__} cannot run on one sample of shape {input_shape} ({reason})",
            "Pass the input_shape that it expects.",
        ) from error
    finally:
        for module, mode in modes:
            module.training = mode
    params = sum(p.numel() for p in net.parameters())
    return Cost(params, counter.get_total_flops() // 2, memory.peak)


def _conv_flops(x: Any, w: Any, bias: Any, *rest: Any, out_shape: Any, **_: Any) -> int:
    transposed = rest[3]
    flops: int = conv_flop_count(x, w, out_shape, transposed=transposed)
    return flops + (2 * prod(out_shape) if bias is not None else 0)


def _addmm_flops(bias: Any, a: Any, b: Any, *_: Any, out_shape: Any, **__: Any) -> int:
    flops: int = 2 * prod(out_shape) * (a[-1] + 1)
    return flops


class _PeakBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages of activations that are alive, and remembers the most."""

    def __init__(self, sample: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = self.peak = 0
        self._known: set[int] = set()
        self._see(sample)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # What an op reads is no new activation: parameters and buffers enter here.
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor):
                self._known.add(leaf.untyped_storage()._cdata)
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._see(leaf)
        return result

    def _see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self._known:
            return
        self._known.add(storage._cdata)
        self.alive += storage.nbytes()
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes())

    def _forget(self, identity: int, size: int) -> None:
        self._known.discard(identity)
        self.alive -= size
