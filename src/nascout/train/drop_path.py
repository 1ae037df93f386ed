"""Dropping whole paths during training: at a constant rate, or at one that grows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.graph.paths import find_paths
from nascout.network.module import Network
from nascout.train.ranges import require

__all__ = ["DropPath", "Training", "drop", "dropping_paths", "networks"]


@dataclass(frozen=True)
class DropPath:
    """How often a path is dropped for an image (ScheduledDropPath: arXiv:1707.07012).

    Attributes:
        final: probability at the end of the training, 0 to below 1.
        scheduled: the probability grows linearly from 0, else it is ``final`` throughout.
        by_layer: it is multiplied by ``layer / layers``, layers counted from 1, as in the
            released code of NASNet and ENAS. The paper does not say so.

    >>> DropPath(0.4, by_layer=True).rate(progress=0.5, depth=0.25)
    0.05
    """

    final: float
    scheduled: bool = True
    by_layer: bool = False

    def __post_init__(self) -> None:
        require("DropPath", self, [("final", 0 <= self.final < 1, "from 0 to below 1")])

    def rate(self, progress: float, depth: float = 1.0) -> float:
        """The probability, given the share of the training that is done, and ``layer / layers``."""
        share = (progress if self.scheduled else 1.0) * (depth if self.by_layer else 1.0)
        return self.final * share


@dataclass
class Training:
    """How far a training is: ``progress`` from 0 to 1. The one who trains sets it."""

    progress: float = 0.0


def drop(x: torch.Tensor, rate: float) -> torch.Tensor:
    """Each sample is 0 with probability ``rate``, else divided by ``1 - rate``.

    So the expectation is ``x``. Draws from the global generator of the device.

    Args:
        x: (n, ...).
        rate: 0 to below 1; 0 draws nothing.
    """
    if rate == 0:
        return x
    kept = torch.rand((len(x),) + (1,) * (x.ndim - 1), device=x.device) >= rate
    return x * (kept.to(x.dtype) / (1 - rate))


@contextmanager
def dropping_paths(net: nn.Module, how: DropPath | None, training: Training) -> Iterator[None]:
    """Meanwhile, in training mode, paths of ``net`` are dropped.

    ``net`` is a network of nascout, or holds some. It keeps its modules, the names of its weights
    and its graph: the outputs of the last modules of its paths are changed on their way, and
    afterwards nothing is left of it. In evaluation mode nothing is dropped.

    Raises:
        UnsupportedNetwork: a network that has no graph to find paths in.
    """
    with ExitStack() as stack:
        for part in networks(net, "drop_path") if how else ():
            modules = part.node_modules()
            for path in find_paths(part.graph):
                module, depth = modules[path.node], path.layer / path.layers
                assert module is not None and how is not None  # an input is no path
                hook = module.register_forward_hook(_Dropper(how, depth, training))
                stack.callback(hook.remove)
        yield


class _Dropper:
    """The hook of one path."""

    def __init__(self, how: DropPath, depth: float, training: Training) -> None:
        self.how, self.depth, self.training = how, depth, training

    def __call__(self, module: nn.Module, inputs: object, out: torch.Tensor) -> torch.Tensor:
        if not module.training:
            return out
        return drop(out, self.how.rate(self.training.progress, self.depth))


def networks(net: nn.Module, knob: str) -> list[Network]:
    """The networks of nascout that ``net`` is or holds.

    Raises:
        UnsupportedNetwork: there are none, so ``knob`` of the recipe means nothing for it.
    """
    found = [module for module in net.modules() if isinstance(module, Network)]
    if not found:
        raise UnsupportedNetwork(
            f"the recipe has {knob}, and a {type(net).__name__} has no graph to apply it to",
            f"Train a network of nascout.build, or take {knob} out of the recipe.",
        )
    return found
