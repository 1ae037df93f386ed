"""Training in several processes at once: each takes its share of every batch.

The processes are those of ``torch.distributed``; without it there is one. Gradients and losses
are added up once per step, so all processes hold the same weights, and what they learn is what
one process learns from the whole batch, up to rounding, but for what depends on who computes:
batch normalisation sees the images of its own process, and dropout draws for itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import distributed, nn

__all__ = ["Crew", "find_crew"]


@dataclass(frozen=True)
class Crew:
    """The processes that train together: how many, and which one this is."""

    rank: int = 0
    size: int = 1

    def share(self, x: torch.Tensor) -> torch.Tensor:
        """What this process takes of a batch."""
        return x.tensor_split(self.size)[self.rank] if self.size > 1 else x

    def agree(self, yes: bool, device: str | torch.device = "cpu") -> bool:
        """Whether any process says yes; they ask each other by way of ``device``."""
        if self.size == 1:
            return yes
        answer = torch.tensor(float(yes), device=device)
        distributed.all_reduce(answer, distributed.ReduceOp.MAX)
        return bool(answer)

    def add_up(self, net: nn.Module, loss: torch.Tensor) -> torch.Tensor:
        """Make gradients the sum over all processes; returns the sum of losses."""
        if self.size == 1:
            return loss
        gradients = [p.grad for p in net.parameters() if p.grad is not None]
        flat = torch.cat([g.flatten() for g in [*gradients, loss]])
        distributed.all_reduce(flat)
        parts = torch.split(flat[:-1], [g.numel() for g in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
        return flat[-1]

    def begin(self, net: nn.Module) -> None:
        """Give every process the weights and statistics of the first."""
        for tensor in self._tensors([*net.parameters(), *net.buffers()]):
            distributed.broadcast(tensor.data, 0)

    def share_statistics(self, net: nn.Module) -> None:
        """Average what normalisations counted, each in its own process."""
        for tensor in self._tensors(net.buffers()):
            if tensor.is_floating_point():
                distributed.all_reduce(tensor)
                tensor.div_(self.size)

    def _tensors(self, tensors: Iterable[torch.Tensor]) -> Iterable[torch.Tensor]:
        return tensors if self.size > 1 else ()


def find_crew() -> Crew:
    """The processes of ``torch.distributed``, if it was started."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Crew()
    return Crew(distributed.get_rank(), distributed.get_world_size())
