"""What a candidate can be: operations by name, and what brings their input to the right shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from torch import Tensor, nn
from torch.nn import functional as F

from nascout.errors import ConfigError
from nascout.graph import Op, Shape
from nascout.graph.ops import BatchNorm
from nascout.graph.repair import projection
from nascout.network.lowering import lower
from nascout.network.module import initialise_node, undrawn
from nascout.registry import Registry
from nascout.space.cell_ops import operation

__all__ = ["DEFAULTS", "OPERATIONS", "Operation", "build_operation"]


@dataclass(frozen=True)
class Operation:
    """One way to read a tensor.

    Attributes:
        name: what recipes call it.
        makes: per kind of tensor (``"map"``, ``"sequence"``, ``"vector"``), the module for a
            shape, which it keeps.
    """

    name: str
    makes: Mapping[str, Callable[[Shape], nn.Module]]


OPERATIONS: Registry[Operation] = Registry("growth_operation")

# In the order of the paper's table. None of those for sequences looks ahead in time.
DEFAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    "map": ("sep3", "sep5", "dil3", "dil5", "max3", "avg3", "identity"),
    "vector": ("linear_relu", "linear_tanh", "linear_sigmoid", "identity"),
    "sequence": ("token_mlp", "causal_conv3", "causal_attention", "identity"),
}


def build_operation(
    name: str, kind: str, given: Shape, wanted: Shape, *, key: str, seed: int
) -> nn.Module:
    """The module of an operation that reads ``given`` and gives ``wanted``.

    A map that is too large is average-pooled to the size, one of other channels is projected by a
    1x1 convolution and normalised; vectors and the tokens of sequences are projected by a
    bias-free linear map. Then the operation follows, which keeps the shape. It ends in a
    normalisation without weights (batch normalisation for maps, layer normalisation for the
    rest), so that selection weights compare like with like.

    Args:
        name: of the operation.
        kind: of the tensors.
        given, wanted: shapes of one sample.
        key: the module's name; its weights are a function of ``(seed, key, shape)``.
        seed: any integer.

    Raises:
        UnknownName: no such operation.
        ConfigError: it means nothing for this kind.

    >>> import torch
    >>> op = build_operation("sep3", "map", Shape((3, 8, 8)), Shape((4, 4, 4)), key="k", seed=0)
    >>> op(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 4, 4, 4])
    """
    makes = OPERATIONS[name].makes
    if kind not in makes:
        raise ConfigError(
            f"{name} is no operation for a {kind}", f"It is one for: {', '.join(makes)}."
        )
    with undrawn(seed):
        made = nn.Sequential(*_fitting(kind, given, wanted), makes[kind](wanted))
    initialise_node(made, key, seed)
    return made


def _fitting(kind: str, given: Shape, wanted: Shape) -> list[nn.Module]:
    if kind == "map":
        return _lowered(projection(given, wanted, wanted), given)
    return [] if given == wanted else [nn.Linear(given[-1], wanted[-1], bias=False)]


def _lowered(ops: Sequence[Op], shape: Shape) -> list[nn.Module]:
    modules = []
    for op in ops:
        modules.append(lower(op, (shape,)))
        shape = op.shape(shape)
    return modules


def _cell_operation(name: str, shape: Shape) -> nn.Module:
    """As on an edge of a DARTS cell, ending in a batch normalisation without weights."""
    ops = operation(name, shape.channels, shape.channels, 1)
    ops = ops[:-1] if isinstance(ops[-1], BatchNorm) else ops
    return nn.Sequential(*_lowered((*ops, BatchNorm(affine=False)), shape))


def _normalised(features: int, *modules: nn.Module) -> nn.Module:
    # The normalisation of a single feature would be zero.
    norm = nn.LayerNorm(features, elementwise_affine=False) if features > 1 else nn.Identity()
    return nn.Sequential(*modules, norm)


def _linear(activation: type[nn.Module], shape: Shape) -> nn.Module:
    return _normalised(shape[-1], nn.Linear(shape[-1], shape[-1]), activation())


def _identity(shape: Shape) -> nn.Module:
    return _normalised(shape[-1])


def _token_mlp(shape: Shape) -> nn.Module:
    f = shape[-1]
    return _normalised(f, nn.Linear(f, 2 * f), nn.GELU(), nn.Linear(2 * f, f))


class TimeConvolution(nn.Module):
    """A filter of three tokens per feature, then a map of the features of each token."""

    def __init__(self, features: int, *, causal: bool) -> None:
        super().__init__()
        self.pads = (2, 0) if causal else (1, 1)
        self.filter = nn.Conv1d(features, features, 3, groups=features)
        self.mix = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, t, f)."""
        mixed: Tensor = self.mix(self.filter(F.pad(x.transpose(1, 2), self.pads)).transpose(1, 2))
        return mixed


class Attention(nn.Module):
    """One head of attention over the tokens."""

    def __init__(self, features: int, *, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.read = nn.Linear(features, 3 * features)
        self.mix = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, t, f)."""
        query, key, value = self.read(x).chunk(3, dim=-1)
        heads = F.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        mixed: Tensor = self.mix(heads)
        return mixed


def _over_time(kind: type[TimeConvolution] | type[Attention], causal: bool, x: Shape) -> nn.Module:
    return _normalised(x[-1], kind(x[-1], causal=causal))


def _register(name: str, **makes: Callable[[Shape], nn.Module]) -> None:
    OPERATIONS.add(name, Operation(name, makes))


_register("sep3", map=partial(_cell_operation, "sep_conv_3x3"))
_register("sep5", map=partial(_cell_operation, "sep_conv_5x5"))
_register("dil3", map=partial(_cell_operation, "dil_conv_3x3"))
_register("dil5", map=partial(_cell_operation, "dil_conv_5x5"))
_register("max3", map=partial(_cell_operation, "max_pool_3x3"))
_register("avg3", map=partial(_cell_operation, "avg_pool_3x3"))
_register("conv1", map=partial(_cell_operation, "conv_1x1"))
_register("conv3", map=partial(_cell_operation, "conv_3x3"))
_register("linear_relu", vector=partial(_linear, nn.ReLU))
_register("linear_tanh", vector=partial(_linear, nn.Tanh))
_register("linear_sigmoid", vector=partial(_linear, nn.Sigmoid))
_register("token_mlp", sequence=_token_mlp)
_register("conv3_time", sequence=partial(_over_time, TimeConvolution, False))
_register("causal_conv3", sequence=partial(_over_time, TimeConvolution, True))
_register("attention", sequence=partial(_over_time, Attention, False))
_register("causal_attention", sequence=partial(_over_time, Attention, True))
_register(
    "identity",
    map=partial(_cell_operation, "skip_connect"),
    vector=_identity,
    sequence=_identity,
)
