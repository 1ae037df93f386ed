"""NASWOT: how well a network tells the samples of a batch apart by its ReLU pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, saved_tensors_hooks
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from nascout.errors import UnsupportedNetwork
from nascout.score.card import score
from nascout.score.untouched import untouched

__all__ = ["agreement", "naswot"]

RELUS: frozenset[Callable[..., Any]] = frozenset(
    [F.relu, F.relu_, F.relu6, F.leaky_relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_]
)


@score("naswot", paper="arXiv:2006.04647")
def naswot(net: nn.Module, x: Tensor, *, released: bool = False) -> float:
    """log |det K|, where K counts, over all ReLUs, the units on which two inputs agree (eq. 2).

    Every call of a ReLU counts, as a module or as a function, once, if the output depends on it.
    The network runs in train mode (batch statistics), without a backward pass.

    Args:
        net: any network; it is left as found.
        x: (n, ...) a batch; the paper uses 128 images.
        released: count every ReLU twice except the last, as the authors' released code does on
            NAS-Bench-201, where it hooks the ReLU and its container. Ranks hardly change.

    Returns:
        The score; -inf where two inputs share one pattern.

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
    with untouched(net), torch.enable_grad():
        net.train()
        # A leaf that needs gradients builds the graph even if every parameter is frozen.
        leaf = x.detach().requires_grad_(x.is_floating_point())
        with _ReLUKernels(len(x)) as seen, saved_tensors_hooks(lambda _: None, _refuse):
            output = net(leaf)
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
    return float(torch.linalg.slogdet(total).logabsdet)


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
    signs = code.float() * 2 - 1
    parts = (part @ part.T for part in torch.split(signs, 2**24, dim=1))
    products = sum((part.double() for part in parts), torch.zeros((), dtype=torch.float64))
    return (products.cpu() + code.shape[1]) / 2


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
        if func not in RELUS:
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
        self.found.append((kernel, output.grad_fn))
        return output


def _refuse(_: Any) -> Tensor:
    raise RuntimeError("activations are not kept for a backward pass here")


def _ancestors(output: Any) -> set[Node]:
    """Every autograd node that ``output`` (a tensor or a nest of them) depends on."""
    seen: set[Node] = set()
    waiting: list[Any] = [output]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Tensor):
            waiting.append(item.grad_fn)
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list | tuple):
            waiting += item
        elif isinstance(item, Node) and item not in seen:
            seen.add(item)
            waiting += [source for source, _ in item.next_functions]
    return seen
