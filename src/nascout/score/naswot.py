"""NASWOT: how well a network tells the samples of a batch apart by its ReLU pattern."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, saved_tensors_hooks
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from nascout.errors import UnsupportedNetwork
from nascout.score.card import score
from nascout.score.gradients import differentiable
from nascout.score.inputs import Inputs, as_leaves, call, samples
from nascout.score.outputs import output_tensors

__all__ = ["agreement", "naswot"]

# What the authors' code hooks, every module with ReLU in its name, as the functions these call.
RELUS: frozenset[Callable[..., Any]] = frozenset(
    [
        *(F.relu, torch.relu, Tensor.relu, F.relu_, torch.relu_, Tensor.relu_, F.relu6),
        *(F.leaky_relu, F.leaky_relu_, F.prelu, torch.prelu, Tensor.prelu),
        *(F.rrelu, F.rrelu_, torch.rrelu, torch.rrelu_),
    ]
)


@score(
    "naswot",
    paper="arXiv:2006.04647",
    equation="eq. 2",
    applies="networks with ReLUs (also ReLU6, LeakyReLU, PReLU, RReLU); for others, sign_pattern",
    deviations="dead ReLUs are found in the autograd graph; each ReLU counts once (released=False)",
    batch=128,
    invariances=("batch order", "output scale"),
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
    with (
        differentiable(net),
        _ReLUKernels(samples(x)) as seen,
        saved_tensors_hooks(lambda _: None, _refuse),
    ):
        # Leaves that need gradients build the graph, even if no parameter does.
        output = call(net, as_leaves(x))
    live = _ancestors(output)
    kernels = [kernel for kernel, node in seen.found if node is None or node in live]
    if not kernels:
        raise UnsupportedNetwork(
            "naswot finds no ReLU that the output depends on",
            "Score a network with ReLUs, or choose another score (nascout scores).",
        )
    total = torch.stack(kernels).sum(0)
    if released:
        total = 2 * total - kernels[-1]
    return _log_det(total)


def agreement(code: Tensor) -> Tensor:
    """On how many units each pair of inputs agrees.

    Args:
        code: (n, units) bool.

    Returns:
        (n, n) float64, exact: ``units`` minus the Hamming distance.

    >>> agreement(torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0]]).bool()).tolist()
    [[4.0, 2.0], [2.0, 4.0]]
    """
    # Sums of ±1 are integers, exact in float32 up to 2^24 units at a time.
    signs = code.float().mul_(2).sub_(1)
    products = torch.zeros((len(code), len(code)), dtype=torch.float64)
    for part in torch.split(signs, 2**24, dim=1):
        products += (part @ part.T).cpu()
    return (products + code.shape[1]) / 2


def _log_det(kernel: Tensor) -> float:
    """log |det K|; -inf where K is singular to working precision, not what rounding makes of 0."""
    pivots = torch.linalg.lu_factor_ex(kernel)[0].diagonal().abs()
    if pivots.min() <= len(kernel) * torch.finfo(kernel.dtype).eps * pivots.max():
        return -math.inf
    return float(pivots.log().sum())


class _ReLUKernels(TorchFunctionMode):
    """Collects, per call of a ReLU, the kernel of its input's signs and its autograd node."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch
        self.found: list[tuple[Tensor, Node | None]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if not _is_relu(func, args, kwargs):
            return func(*args, **kwargs)
        z = args[0] if args else kwargs["input"]
        if z.dim() < 2 or z.shape[0] % self.batch:
            raise UnsupportedNetwork(
                f"a ReLU's input {tuple(z.shape)} is not a batch of {self.batch}",
                "naswot needs the batch as the first dimension throughout.",
            )
        # Before the call: it may overwrite its input.
        kernel = agreement((z.detach() > 0).reshape(self.batch, -1))
        output = func(*args, **kwargs)
        # In place on a view, the network goes on from what it is a view of.
        goes_on = output if output._base is None else output._base
        self.found.append((kernel, goes_on.grad_fn))
        return output


def _is_relu(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    if func is F.hardtanh:  # what nn.ReLU6 calls
        return bool((args[1] if len(args) > 1 else kwargs.get("min_val", -1.0)) == 0)
    return func in RELUS


def _refuse(_: Any) -> Tensor:
    raise RuntimeError("activations are not kept for a backward pass here")


def _ancestors(output: Any) -> set[Node]:
    """Every autograd node that ``output`` (a tensor or a nest of them) depends on."""
    seen: set[Node] = set()
    waiting = [tensor.grad_fn for tensor in output_tensors(output)]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [source for source, _ in node.next_functions]
    return seen
