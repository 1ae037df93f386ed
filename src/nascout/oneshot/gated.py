"""Architecture parameters: one number per option of each edge, and Adam that moves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from nascout.oneshot.learner import Judge, Learner
from nascout.oneshot.problem import IMAGES, Problem
from nascout.space import Architecture
from nascout.space.relaxation import Relaxation
from nascout.train.batches import Batch
from nascout.train.parallel import find_crew

__all__ = ["Gated"]

SPREAD = 1e-3  # of the first values, as in the released codes; DARTS's paper says zeros


class Gated(Learner):
    """A learner of gates on a relaxed space.

    Attributes:
        relaxation: of the space.
        alphas: by edge, (options,), before any softmax.
        optimizer: of the alphas.
    """

    def __init__(
        self,
        relaxation: Relaxation,
        seed: int,
        device: torch.device,
        *,
        lr: float = 3e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        weight_decay: float = 1e-3,
        problem: Problem = IMAGES,
    ) -> None:
        super().__init__(relaxation.space, seed, device, problem)
        self.relaxation = relaxation
        generator = torch.Generator().manual_seed(seed)
        self.alphas = {
            edge.name: nn.Parameter(
                (SPREAD * torch.randn(len(edge.options), generator=generator)).to(device)
            )
            for edge in relaxation.edges
        }
        self.optimizer = torch.optim.Adam(
            self.alphas.values(), lr=lr, betas=betas, weight_decay=weight_decay
        )

    def probabilities(self) -> dict[str, Tensor]:
        """The softmax over each edge's options."""
        return {name: alpha.softmax(0) for name, alpha in self.alphas.items()}

    def weights(self) -> Mapping[str, Sequence[float]]:
        """The probabilities as numbers."""
        return {name: p.tolist() for name, p in self.probabilities().items()}

    def current(self) -> Architecture:
        """What the relaxation derives from the probabilities."""
        return self.relaxation.derive(self.weights())

    def found(self, judge: Judge) -> list[tuple[Architecture, float | None]]:
        """One architecture; its accuracy under shared weights is not what it was chosen by."""
        return [(self.current(), None)]

    def move(self, gradients: Sequence[Tensor], batch: Batch) -> None:
        """One step of Adam against gradients of the alphas, of all processes' shares of a batch."""
        for alpha, gradient in zip(self.alphas.values(), gradients, strict=True):
            alpha.grad = gradient.detach() * (len(batch.x) / batch.size)
        find_crew().add_up(nn.ParameterList(self.alphas.values()), torch.zeros(1))
        self.optimizer.step()
        self.optimizer.zero_grad()

    def numbers(self) -> dict[str, float]:
        """``entropy``: of an edge, on average, in nats; ``skips``: in the derived architecture."""
        entropies = [-(p * p.log()).sum().item() for p in self.probabilities().values()]
        skips = sum("skip" in str(value) for value in self.current().values)
        return {"entropy": sum(entropies) / len(entropies), "skips": float(skips)}

    def tensors(self) -> dict[str, Tensor]:
        """The alphas, and Adam's means of their gradients."""
        for alpha in self.alphas.values():
            if not self.optimizer.state[alpha]:
                self.optimizer.state[alpha] = {
                    "step": torch.tensor(0.0),
                    "exp_avg": torch.zeros_like(alpha),
                    "exp_avg_sq": torch.zeros_like(alpha),
                }
        return {f"alpha.{name}": alpha for name, alpha in self.alphas.items()} | {
            f"adam.{slot}.{name}": value
            for name, alpha in self.alphas.items()
            for slot, value in self.optimizer.state[alpha].items()
        }
