"""What shared weights are trained for: how a network made of them reads a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascout.graph import Graph
from nascout.network.supernet import Supernet
from nascout.train.batches import Batch
from nascout.train.parallel import find_crew

__all__ = ["IMAGES", "Images", "Problem", "cross_entropy"]

Gates = Mapping[str, Tensor]


class Problem(ABC):
    """Reads batches with the shared weights of a network.

    Attributes:
        higher_is_better: of what a judge says of an architecture.
    """

    higher_is_better: bool

    @abstractmethod
    def supernet(self, seed: int, device: torch.device) -> Supernet:
        """The weights that networks share, before there are any."""

    @abstractmethod
    def trained(self, net: Supernet) -> nn.Module:
        """All that is trained: ``net``, with what stands around it."""

    @abstractmethod
    def loss(self, net: Supernet, graph: Graph, batch: Batch, gates: Gates | None = None) -> Tensor:
        """Mean over the batch, of the network ``graph``, which ``net`` holds."""

    @abstractmethod
    def reward(self, net: Supernet, graph: Graph, batch: Batch) -> float:
        """How well the network does on a batch; higher is better."""


class Images(Problem):
    """Classification: cross-entropy, and accuracy as a fraction."""

    higher_is_better = True

    def supernet(self, seed: int, device: torch.device) -> Supernet:
        """Empty."""
        return Supernet(seed, device)

    def trained(self, net: Supernet) -> nn.Module:
        """``net``."""
        return net

    def loss(self, net: Supernet, graph: Graph, batch: Batch, gates: Gates | None = None) -> Tensor:
        """Of the main output."""
        return cross_entropy(net(graph, batch.x, gates=gates), batch)

    @torch.no_grad()
    def reward(self, net: Supernet, graph: Graph, batch: Batch) -> float:
        """On the whole batch, whichever process has its images."""
        out = net(graph, batch.x)
        main = out[0] if isinstance(out, tuple) else out
        right = (main.argmax(1) == batch.targets[0]).sum().float()
        return float(find_crew().add_up(nn.Module(), right)) / batch.size


IMAGES: Final = Images()


def cross_entropy(out: Tensor | tuple[Tensor, ...], batch: Batch) -> Tensor:
    """Of the main output, the mean over what this process has of the batch."""
    main = out[0] if isinstance(out, tuple) else out
    return F.cross_entropy(main, batch.targets[0])
