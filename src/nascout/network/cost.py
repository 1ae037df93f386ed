"""The cost of any network: from its graph where there is one, else counted while it runs."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from nascout.errors import UnsupportedNetwork
from nascout.graph import Graph, graph_cost
from nascout.network.mode import evaluating
from nascout.network.module import Network
from nascout.records import Cost
from nascout.space import Architecture

__all__ = ["measured_cost", "network_cost"]

aten = torch.ops.aten


def network_cost(
    target: nn.Module | Architecture | Graph, input_shape: tuple[int, ...] | None = None
) -> Cost:
    """Params, MACs (``flops = 2 * macs``) and peak activation bytes for one sample.

    For an architecture, a graph or a network built from one, by the op table. For any other
    module, by one forward pass of one sample in eval mode: convolutions and matrix products count
    one MAC per multiply-add and one per bias they add; tensors alive together are added up. (A
    linear layer on a strided sequence adds its bias apart: that one is not counted.)

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
    first = next(target.parameters(), torch.empty(0))
    sample = torch.zeros((1, *input_shape), dtype=first.dtype, device=first.device)
    return measured_cost(target, sample)


def measured_cost(net: nn.Module, *sample: Tensor, **named: Tensor) -> Cost:
    """The cost of any module for ``sample``, a batch of one per input, by running it in eval mode.

    Raises:
        UnsupportedNetwork: the module cannot run on the sample.
    """
    inputs = [*sample, *named.values()]
    counter = FlopCounterMode(display=False, custom_mapping=_FLOPS)
    try:
        with (
            evaluating(net),
            torch.no_grad(),
            _plain_kernels(),
            counter,
            _PeakBytes(inputs) as memory,
        ):
            memory.returned(net(*sample, **named))
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        reason = str(error).partition("\n")[0]
        shapes = ", ".join(str(tuple(one.shape[1:])) for one in inputs)
        raise UnsupportedNetwork(
            f"{type(net).__name__} cannot run on one sample of shape {shapes} ({reason})",
            "Pass the input_shape that it expects.",
        ) from error
    params = sum(p.numel() for p in net.parameters())
    return Cost(params, counter.get_total_flops() // 2, memory.peak)


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """No fused kernel for a whole layer whose products could not be counted."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _conv_flops(x: Any, w: Any, bias: Any, *rest: Any, out_shape: Any, **_: Any) -> int:
    transposed = rest[3]
    flops: int = conv_flop_count(x, w, out_shape, transposed=transposed)
    return flops + (2 * prod(out_shape) if bias is not None else 0)


def _addmm_flops(bias: Any, a: Any, b: Any, *_: Any, out_shape: Any, **__: Any) -> int:
    flops: int = 2 * prod(out_shape) * (a[-1] + 1)
    return flops


def _matvec_flops(a: Any, b: Any, *_: Any, **__: Any) -> int:
    flops: int = 2 * prod(a)
    return flops


def _attention_flops(q: Any, k: Any, v: Any, *_: Any, **__: Any) -> int:
    """Queries times keys, then weights times values; (..., length, features) each."""
    flops: int = 2 * prod(q[:-1]) * k[-2] * (q[-1] + v[-1])
    return flops


def _lstm_flops(x: Any, *weights_and_rest: Any, **_: Any) -> int:
    """Every weight and bias of the layer, at every position of the sequences x (..., features)."""
    flops: int = 2 * prod(x[:-1]) * sum(prod(shape) for shape in weights_and_rest[:4])
    return flops


_FLOPS = {
    aten.convolution: _conv_flops,
    aten.addmm: _addmm_flops,
    aten.mv: _matvec_flops,
    aten.dot: _matvec_flops,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
    aten.mkldnn_rnn_layer: _lstm_flops,
}


class _PeakBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages of activations that are alive, and remembers the most.

    The sample counts until the last reader of any part of it, though the caller holds it longer.
    """

    def __init__(self, sample: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        storages = {s._cdata: s.nbytes() for s in (part.untyped_storage() for part in sample)}
        self._sample, self._sample_bytes = storages.keys(), sum(storages.values())
        self._known = set(storages)
        # Bytes without the sample: now, the most so far, the most up to the sample's last reader.
        self._alive = self._most = self._most_with_sample = 0

    @property
    def peak(self) -> int:
        """The most bytes alive at once."""
        return max(self._most, self._most_with_sample + self._sample_bytes)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # What an op reads is no new activation: parameters and buffers enter here.
        read = {leaf.untyped_storage()._cdata for leaf in _tensors((args, kwargs))}
        self._known |= read
        result = func(*args, **(kwargs or {}))
        made = result[:1] if func.overloadpacket in _WITH_INDICES else result
        for leaf in _tensors(made):
            self._see(leaf)
        if self._sample & read:
            self._most_with_sample = self._most
        return result

    def returned(self, output: Any) -> None:
        """Say what the network returned: the sample itself, in place, lives to the end."""
        if any(leaf.untyped_storage()._cdata in self._sample for leaf in _tensors(output)):
            self._most_with_sample = self._most

    def _see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self._known:
            return
        self._known.add(storage._cdata)
        self._alive += storage.nbytes()
        self._most = max(self._most, self._alive)
        weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes())

    def _forget(self, identity: int, size: int) -> None:
        self._known.discard(identity)
        self._alive -= size


# Pools whose indices nobody reads in inference.
_WITH_INDICES = {
    *(aten.max_pool2d_with_indices, aten.max_pool3d_with_indices),
    *(aten.adaptive_max_pool2d, aten.adaptive_max_pool3d),
}


def _tensors(nest: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(nest) if isinstance(leaf, Tensor))
