"""What torch's functions mean to the unit graph: one small rule per kind of function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._pytree import tree_map

from nascout.score.unit_steps import Concat, Conv, Cut, Dense, Join, Keep
from nascout.score.unit_trail import Call, Followed, Trail, spread

__all__ = ["RULES", "Rule"]

# From a call to the step that its result holds, and the channel of each element of the result.
Rule: TypeAlias = Callable[[Trail, Call], tuple[int, Any]]


def _elementwise(trail: Trail, call: Call) -> tuple[int, Tensor]:
    """Activations are not read as such, normalisations and dropout are removed."""
    x = call.only()
    return x.step, x.channel


def _moved(trail: Trail, call: Call) -> tuple[int, Any]:
    """Views, slices, permutations: what happens to the elements happens to their channels."""
    x = call.read[0] if call.name.endswith("_as") else call.only()

    def channels(leaf: Any) -> Any:
        # Detached: a change of shape in place must not reach who else holds the numbers.
        known = trail.known.get(leaf) if isinstance(leaf, Tensor) else None
        return known.channel.detach() if known else leaf

    args, kwargs = tree_map(channels, (call.args, dict(call.kwargs)))
    return x.step, call.function(*args, **kwargs)


def _padded(trail: Trail, call: Call) -> tuple[int, Tensor]:
    x = call.only()
    pads = _argument(call, 1, "pad")
    mode, value = _argument(call, 2, "mode", "constant"), _argument(call, 3, "value", None)
    if mode != "constant":
        return x.step, F.pad(x.channel.double(), pads, mode).long()
    if value:
        raise call.unsupported(f"it pads with {value}")
    return x.step, F.pad(x.channel, pads, value=-1)


def _pooled(trail: Trail, call: Call) -> tuple[int, Any]:
    """Pooling over space, or resizing."""
    x = call.only()
    index, margins = _channels(x, call)
    if any(map(any, margins)):
        raise call.unsupported("its input is padded with zeros")
    step = trail.add(Keep(pools=True), x.step)
    return step, tree_map(lambda leaf: spread(index, leaf.shape), call.result)


def _reduced(trail: Trail, call: Call) -> tuple[int, Tensor]:
    """A mean, sum or maximum over dimensions, each within a channel."""
    x = call.only()
    dims, keep = _argument(call, 1, "dim", None), _argument(call, 2, "keepdim", False)
    if dims is None or 0 in (every := [dims] if isinstance(dims, int) else list(dims)):
        raise call.unsupported("it reduces the batch")
    low, high = (reduce(x.channel, every, keep) for reduce in (torch.amin, torch.amax))
    if not torch.equal(low, high):
        raise call.unsupported("it mixes channels without weights")
    return trail.add(Keep(pools=True), x.step), low


def _convolved(trail: Trail, call: Call) -> tuple[int, Tensor]:
    x = call.only()
    weight = _argument(call, 1, "weight")
    index, margins = _channels(x, call)
    axes = weight.dim() - 2
    stride, dilation = (
        _per_axis(_argument(call, place, name, 1), axes)
        for place, name in ((3, "stride"), (5, "dilation"))
    )
    given = _argument(call, 4, "padding", 0)
    if given == "same":
        wide = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        pads = [(total // 2, total - total // 2) for total in wide]
    else:
        pads = [(pad, pad) for pad in _per_axis(0 if given == "valid" else given, axes)]
    layer = Conv(
        trail.name(weight),
        tuple(weight.shape),
        tuple(n - sum(m) for n, m in zip(x.channel.shape[2:], margins, strict=True)),
        stride,
        tuple((p[0] + m[0], p[1] + m[1]) for p, m in zip(pads, margins, strict=True)),
        dilation,
        _argument(call, 6, "groups", 1),
    )
    out = len(weight)
    step = trail.add(layer, trail.select(x.step, index), width=out)
    return step, spread(torch.arange(out), call.result.shape)


def _linear(trail: Trail, call: Call) -> tuple[int, Tensor]:
    x = call.only()
    weight = _argument(call, 1, "weight")
    channel = x.channel[(0,) * (x.channel.dim() - 1)]
    if not (x.channel == channel).all():
        raise call.unsupported("its input's last dimension is not that of channels")
    features = tuple(channel.tolist())
    layer = Dense(trail.name(weight), tuple(weight.shape), features, trail.width(x.step))
    step = trail.add(layer, x.step, width=len(weight))
    return step, spread(torch.arange(len(weight)), call.result.shape, axis=-1)


def _combined(trail: Trail, call: Call) -> tuple[int, Tensor]:
    """Sums and products: of channels with one another, or with constants."""
    shape = call.result.shape
    read = [x._replace(channel=x.channel.expand(shape)) for x in call.read]
    if len(read) == 1:
        ((step, channel),) = read
        zero = call.name in _PRODUCTS and any(_is_zero(trail, a) for a in _operands(call))
        return (trail.add(Cut(trail.width(step)), step) if zero else step), channel
    one, other = read
    widths = {trail.width(x.step) for x in read}
    if torch.equal(one.channel, other.channel) and len(widths) == 1:
        same = one.step == other.step
        return one.step if same else trail.add(Join(), one.step, other.step), one.channel
    aligned = []
    for x in read:
        index, margins = _channels(x, call)
        if any(map(any, margins)):
            raise call.unsupported("what it reads is padded with zeros")
        aligned.append(trail.select(x.step, index))
    return trail.add(Join(), *aligned), spread(torch.arange(shape[1]), shape)


def _operands(call: Call) -> list[Any]:
    return [_argument(call, 0, "input"), _argument(call, 1, "other")]


def _is_zero(trail: Trail, operand: Any) -> bool:
    if isinstance(operand, Tensor):
        return operand not in trail.known and not operand.any()
    return bool(operand == 0)


def _concatenated(trail: Trail, call: Call) -> tuple[int, Tensor]:
    """Tensors that the input does not reach count as zeros."""
    if len({x.step for x in call.read}) == 1:
        tensors = [_channel_or_none(trail, part) for part in _argument(call, 0, "tensors")]
        return call.read[0].step, call.function(tensors, *call.args[1:], **call.kwargs)
    numbers, start = [], 0
    for part in _argument(call, 0, "tensors"):
        channel = _channel_or_none(trail, part)
        numbers.append(torch.where(channel < 0, channel, channel + start))
        if part in trail.known:
            start += trail.width(trail.known[part].step)
    step = trail.add(Concat(), *(x.step for x in call.read), width=start)
    return step, call.function(numbers, *call.args[1:], **call.kwargs)


def _channel_or_none(trail: Trail, part: Tensor) -> Tensor:
    if part in trail.known:
        return trail.known[part].channel
    return torch.full(part.shape, -1)


def _channels(x: Followed, call: Call) -> tuple[Tensor, list[tuple[int, int]]]:
    """(C,) the channel that each place along dimension 1 holds, the same at every position.

    Also, per spatial axis, how many zeros stand before and after.
    """
    numbers = x.channel[0]
    if x.channel.stride(0) and not (x.channel == numbers).all():
        raise call.unsupported("channels have been moved into the batch")
    first = (slice(None),) + (0,) * (numbers.dim() - 1)
    if not any(numbers.stride()[1:]):  # expanded over all positions, as most layers leave it
        return numbers[first], [(0, 0)] * (numbers.dim() - 1)
    inside = (numbers >= 0).any(0)
    margins = []
    for axis, size in enumerate(inside.shape):
        held = inside.movedim(axis, 0).flatten(1).any(1).nonzero().flatten().tolist()
        margins.append((held[0], size - 1 - held[-1]) if held else (0, 0))
    for axis, (low, high) in enumerate(margins, 1):
        numbers = numbers.narrow(axis, low, numbers.shape[axis] - low - high)
    index = numbers[first]
    if not torch.equal(numbers, spread(index, numbers.shape, axis=0)):
        raise call.unsupported("its input's channels differ from position to position")
    return index, margins


def _argument(call: Call, place: int, name: str, default: Any = None) -> Any:
    """An argument, given by place or by name."""
    return call.args[place] if place < len(call.args) else call.kwargs.get(name, default)


def _per_axis(size: int | Sequence[int], axes: int) -> tuple[int, ...]:
    sizes = [size] if isinstance(size, int) else list(size)
    return tuple(sizes * axes if len(sizes) == 1 else sizes)


_PRODUCTS = frozenset(["mul", "rmul", "imul", "multiply"])
_SUMS = ["add", "radd", "iadd", "sub", "rsub", "isub", "subtract", "maximum", "minimum"]
_QUOTIENTS = ["div", "rdiv", "idiv", "truediv", "rtruediv", "divide", "true_divide"]
_ACTIVATIONS = [
    *("relu", "relu6", "hardtanh", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu"),
    *("silu", "mish", "hardswish", "hardsigmoid", "sigmoid", "tanh", "softplus", "softsign"),
    *("logsigmoid", "threshold", "clamp", "clamp_min", "clamp_max", "softmax", "log_softmax"),
]
_NORMALISATIONS = [
    *("batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm"),
    *("local_response_norm", "normalize"),
]
_NOTHING = [
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"),
    *("contiguous", "clone", "to", "float", "double", "half", "bfloat16", "type", "type_as"),
    *("cpu", "cuda", "neg", "requires_grad"),
]
_MOVES = [
    *("view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "ravel", "squeeze"),
    *("unsqueeze", "transpose", "permute", "movedim", "moveaxis", "swapaxes", "swapdims", "T"),
    *("mT", "H", "mH", "t", "data", "detach", "alias", "getitem", "chunk", "split", "tensor_split"),
    *("unbind", "narrow", "select", "index_select", "expand", "expand_as", "repeat", "tile"),
    *("flip", "roll", "channel_shuffle", "pixel_shuffle", "pixel_unshuffle"),
    *("split_with_sizes", "broadcast_to"),
]
_POOLS = [
    *(f"{kind}_pool{n}d" for kind in ("max", "avg", "lp") for n in (1, 2, 3)),
    *(f"adaptive_{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)),
    *(f"max_pool{n}d_with_indices" for n in (1, 2, 3)),
    *(f"adaptive_max_pool{n}d_with_indices" for n in (1, 2, 3)),
    *("interpolate", "upsample"),
]

#: By the function's name without leading and trailing underscores.
RULES: dict[str, Rule] = {
    **dict.fromkeys(_ACTIVATIONS + _NORMALISATIONS + _NOTHING, _elementwise),
    **dict.fromkeys(_MOVES, _moved),
    **dict.fromkeys(["pad"], _padded),
    **dict.fromkeys(_POOLS, _pooled),
    **dict.fromkeys(["mean", "sum", "amax", "amin"], _reduced),
    **dict.fromkeys(["conv1d", "conv2d", "conv3d"], _convolved),
    **dict.fromkeys(["linear"], _linear),
    **dict.fromkeys([*_PRODUCTS, *_SUMS, *_QUOTIENTS], _combined),
    **dict.fromkeys(["cat", "concat", "concatenate", "stack"], _concatenated),
}
