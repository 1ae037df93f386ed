"""NASWOT: how well a network tells the samples of a batch apart by its ReLU pattern."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from nascout.errors import UnsupportedNetwork
from nascout.graph import Graph
from nascout.graph.ops import ReLU
from nascout.score.card import score
from nascout.score.inputs import Inputs, samples, tensors
from nascout.score.live_inputs import live_inputs, units
from nascout.score.population import alike, readings

__all__ = ["agreement", "log_det", "naswot", "naswots"]


@alike
def naswots(
    graphs: Sequence[Graph],
    x: Inputs | None,
    y: Tensor | None = None,
    *,
    seed: int,
    memory: int,
) -> Iterator[float | UnsupportedNetwork]:
    """:func:`naswot` of many graphs; see :class:`nascout.score.card.AtOnce`.

    The kernel of a ReLU's input is computed once, however many ReLUs and networks read it.
    """
    batch = tensors(x) if x is not None else []
    codes = readings(graphs, batch, (ReLU,), _common, seed=seed, memory=memory, output=True)
    for found in codes:
        if found:
            common, units = zip(*found, strict=True)
            yield log_det(_agreement(torch.stack(common).sum(0).double(), sum(units)))
        else:
            yield UnsupportedNetwork("no ReLU", "Choose another score (nascout scores).")


def _common(z: Tensor) -> tuple[Tensor, int]:
    """On how many units of a ReLU's output two inputs are both not zero; how many units it has."""
    # Channels last, as the tensor lies in memory; which unit is which does not count. A change of
    # type to bool is the quickest way to tell what is zero, and quicker for integers.
    bits = z.view(torch.int16) if z.dtype == torch.bfloat16 else z
    code = (bits.permute(0, 2, 3, 1) if z.dim() == 4 else bits).to(torch.bool)
    return _inner_products(code.reshape(len(z), -1)), z[0].numel()


@score(
    "naswot",
    paper="arXiv:2006.04647",
    equation="eq. 2",
    applies="networks with ReLUs (also ReLU6, LeakyReLU, PReLU, RReLU); for others, sign_pattern",
    deviations="dead ReLUs are found in the autograd graph; each ReLU counts once (released=False)",
    batch=128,
    invariances=("batch order", "output scale", "function form"),
    at_once=naswots,
)
def naswot(net: nn.Module, x: Inputs, *, released: bool = False) -> float:
    """log |det K|, where K counts, over all ReLUs, the units on which two inputs agree (eq. 2).

    Every call of a ReLU (also ReLU6, LeakyReLU, PReLU, RReLU), as a module or as a function,
    counts once, if the output depends on it.
    The network runs in train mode (batch statistics), without a backward pass.

    Args:
        net: any network; it is left as found.
        x: (n, ...) a batch; the paper uses 128 images.
        released: count every ReLU twice except the last, as the authors' released code does on
            NAS-Bench-201, where it hooks the ReLU and its container. Ranks hardly change.

    Returns:
        The score; -inf where two inputs share one pattern, or K is singular otherwise.

    Raises:
        UnsupportedNetwork: no ReLU that the output depends on, or one whose input is not a batch.

    Deviations from the released code: dead ReLUs are found in the autograd graph of one forward
    pass, where the code runs a backward pass first; kernels are exact integers.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
        >>> naswot(net, x) == naswot(net, x)
        True
    """
    kernels = live_inputs(net, x, lambda z: agreement(units(z, samples(x)) > 0))
    total = torch.stack(kernels).sum(0)
    if released:
        total = 2 * total - kernels[-1]
    return log_det(total)


def agreement(code: Tensor) -> Tensor:
    """On how many units each pair of inputs agrees.

    Args:
        code: (n, units) bool.

    Returns:
        (n, n) float64, exact: ``units`` minus the Hamming distance.

    >>> agreement(torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0]]).bool()).tolist()
    [[4.0, 2.0], [2.0, 4.0]]
    """
    return _agreement(_inner_products(code).double(), code.shape[1])


def _agreement(common: Tensor, units: int) -> Tensor:
    """Of (n, n) counts of units that both inputs have; the diagonal is what each has."""
    own = common.diagonal()
    return 2 * common - own[:, None] - own + units


def _inner_products(code: Tensor) -> Tensor:
    """(n, n) products of the rows of (n, units) zeros and ones, exact."""
    if code.device.type == "cpu" and torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        bytes_ = code.view(torch.int8)
        return torch._int_mm(bytes_, bytes_.T)
    # Sums of ones are exact in float32 up to 2^24 units at a time.
    products = torch.zeros((len(code), len(code)), dtype=torch.float64)
    for part in torch.split(code.float(), 2**24, dim=1):
        products += (part @ part.T).cpu()
    return products


def log_det(kernel: Tensor) -> float:
    """log |det K|; -inf where K is singular to working precision, not what rounding makes of 0.

    >>> log_det(torch.eye(3)), log_det(torch.ones(3, 3))
    (0.0, -inf)
    """
    pivots = torch.linalg.lu_factor_ex(kernel)[0].diagonal().abs()
    if pivots.min() <= len(kernel) * torch.finfo(kernel.dtype).eps * pivots.max():
        return -math.inf
    return float(pivots.log().sum())
