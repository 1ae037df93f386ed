"""synflow: how much flows through a network, without data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from nascout.errors import UnsupportedNetwork
from nascout.graph import Graph
from nascout.graph.ops import BatchNorm, ReLU
from nascout.network.population import Population
from nascout.score.card import score
from nascout.score.example_inputs import made_inputs
from nascout.score.flow import is_homogeneous, with_flow
from nascout.score.inputs import Inputs, each, tensors
from nascout.score.outputs import first_output
from nascout.score.population import alike, chunks
from nascout.score.untouched import untouched
from nascout.score.weights import weights

__all__ = ["synflow"]

NORMALISATIONS: Final[frozenset[Callable[..., Any]]] = frozenset(
    [
        *(F.batch_norm, F.layer_norm, F.group_norm, F.instance_norm, F.rms_norm),
        *(torch.batch_norm, torch.layer_norm, torch.group_norm, torch.instance_norm),
        torch.rms_norm,
    ]
)

# What stands for a one in float32, and which outputs it is precise for.
UNIT: Final = 1e-30
RANGE: Final = (1e-6, 1e60)
OUT_OF_RANGE: Final = UnsupportedNetwork("beyond float32", "Score it by itself, in float64.")


@alike
def synflows(
    graphs: Sequence[Graph],
    x: Inputs | None,
    y: Tensor | None = None,
    *,
    seed: int,
    memory: int,
) -> Iterator[float | UnsupportedNetwork]:
    """:func:`synflow` of many graphs, without a backward pass.

    See :mod:`nascout.score.flow`: what networks have in common is computed once.
    """
    simple = graphs and all(map(is_homogeneous, graphs))
    unit, dtype = (UNIT, torch.float32) if simple else (1.0, torch.float64)
    device = torch.device("cpu") if x is None else tensors(x)[0].device
    shapes = [graphs[0].shapes[index] for index in graphs[0].inputs] if graphs else []
    batch = [torch.zeros(2, *shape, dtype=dtype, device=device) for shape in shapes]
    for pair in batch:
        pair[0] = unit  # a sample of ones, and no flow into it
    population = Population(seed, device, dtype, wrap=with_flow(unit))
    with torch.no_grad():
        # All is positive, so ReLUs pass their input on, too.
        for _, merged in chunks(population, graphs, batch, memory, without=(BatchNorm, ReLU)):
            for output, *_ in population(merged, batch):
                value, flow = (output.double().flatten(1).sum(1) / unit).tolist()
                inside = dtype is torch.float64 or RANGE[0] < value < RANGE[1]
                yield flow if inside else OUT_OF_RANGE


@score(
    "synflow",
    paper="arXiv:2006.05467",
    needs="network",
    gradients=True,
    applies="any network; a foreign module needs a batch x for its input's size",
    deviations="normalisations are left out (bn=False), as in arXiv:2101.08134",
    invariances=("function form",),
    at_once=synflows,
)
def synflow(net: nn.Module, x: Inputs | None = None, *, bn: bool = False) -> float:
    """Sum over all weights of |W · ∂R/∂W|, R the sum of outputs for ones, all weights absolute.

    Every parameter and buffer is replaced by its absolute value, the input is one sample of ones,
    and the computation is in float64 whatever the network's precision. Batch, layer, group,
    instance and RMS normalisations pass their input on. In a network of linear maps and ReLUs, R
    is the sum over all paths of the product of their weights, and the score counts every path
    once per weight on it: it grows exponentially with depth, so take its logarithm (as NASLib
    does) where values rather than ranks matter. Float64 holds 1e308; NAS-Bench-201's largest cells
    are about 1e44. An overflow is not finite, and an outcome.

    Args:
        net: any network; it is left as found. It runs in eval mode, so without dropout.
        x: (n, ...) only tells the input's size; integer inputs (tokens) are the first sample's
            own. A network built by nascout does not need it.
        bn: leave normalisations in place, with the statistics of the one sample (train mode):
            the released code's ``synflow_bn``, a different score.

    Raises:
        UnsupportedNetwork: a foreign module without ``x``, an output that depends on no weight or
            that is not a batch.

    A normalisation that a network writes out itself stays.

    Example: two paths of 2 · 3, each with two weights.
        >>> net = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Linear(1, 1, bias=False))
        >>> net[0].weight.data = torch.tensor([[2.0, -2.0]])
        >>> net[1].weight.data = torch.tensor([[-3.0]])
        >>> synflow(net, torch.zeros(1, 2))
        24.0
    """
    first = x if x is None else each(lambda t: t[:1], x)
    sample = made_inputs(net, first, _one)
    named = (*net.named_parameters(), *net.named_buffers())
    state = {name: _absolute(tensor) for name, tensor in named}
    found = [state[name].requires_grad_() for name in weights(net)]
    bypass = nullcontext() if bn else _NoNormalisation()
    with untouched(net), torch.enable_grad(), bypass:
        for module in net.modules():
            # Recurrent layers can be differentiated on a GPU in train mode only.
            module.training = bn or isinstance(module, nn.RNNBase)
        arguments = () if isinstance(sample, Mapping) else tuple(tensors(sample))
        options = dict(sample) if isinstance(sample, Mapping) else {}
        flow = first_output(functional_call(net, state, arguments, options), 1).sum()
        if not found or not flow.requires_grad:
            raise UnsupportedNetwork(
                "the output depends on no weight", "Score a network with convolutions or matrices."
            )
        slopes = torch.autograd.grad(flow, found, materialize_grads=True)
    products = (weight.detach() * slope for weight, slope in zip(found, slopes, strict=True))
    return sum(float(product.abs().sum()) for product in products)


def _one(sample: Tensor) -> Tensor:
    return torch.ones_like(sample, dtype=torch.float64)


def _absolute(tensor: Tensor) -> Tensor:
    """A copy; of integers, as they are."""
    copy = tensor.detach().clone()
    return copy.double().abs() if copy.is_floating_point() else copy


class _NoNormalisation(TorchFunctionMode):
    """Normalisations pass their input on."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in NORMALISATIONS:
            # A copy, as theirs: the network may overwrite it and use the input again.
            return (args[0] if args else kwargs["input"]).clone()
        return func(*args, **kwargs)
