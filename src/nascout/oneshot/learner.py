"""What trains shared weights: which network each step uses, and what else is learned meanwhile."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from nascout.network.supernet import Supernet
from nascout.oneshot.problem import IMAGES, Problem, cross_entropy
from nascout.records import content_digest
from nascout.space import Architecture, Space
from nascout.train.batches import Batch

__all__ = ["Judge", "Learner", "Moment", "SharedEpoch", "cross_entropy"]

Judge = Callable[[Architecture], float]


@dataclass(frozen=True)
class SharedEpoch:
    """One epoch of shared weights.

    Attributes:
        epoch, epochs: counted from 1.
        train_loss: mean over the images that the weights learned from.
        lr: of the weights.
        architecture: what would be derived now, in its notation; empty where that takes measuring.
        numbers: what the method watches, such as the entropy of an edge.
        weights: probabilities of the options, by decision.
        seconds: wall time; no part of equality.
    """

    epoch: int
    epochs: int
    train_loss: float
    lr: float
    architecture: str
    numbers: Mapping[str, float]
    weights: Mapping[str, Sequence[float]]
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class Moment:
    """Where the sharing stands.

    Attributes:
        epoch, epochs: counted from 0.
        step, steps: of the epoch.
        lr: of the weights.
        seed: of this sharing; with the rest, of whatever is drawn now.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    lr: float
    seed: int

    @property
    def progress(self) -> float:
        """From 0 to below 1."""
        return (self.epoch + self.step / self.steps) / self.epochs

    def generator(self, purpose: str) -> torch.Generator:
        """A function of ``purpose``, the seed and the step."""
        number = content_digest([purpose, self.seed, self.epoch, self.step])
        return torch.Generator().manual_seed(int(number[:15], 16))


class Learner(ABC):
    """The state of a method in the middle of its sharing, but for the optimiser of the weights.

    Attributes:
        space: where the architectures are from.
        problem: what the weights are trained for.
        net: the weights that networks share.
        weights_optimizer: SGD of the weights, once there is one.
    """

    space: Space
    net: Supernet

    def __init__(
        self, space: Space, seed: int, device: torch.device, problem: Problem = IMAGES
    ) -> None:
        self.space, self.seed, self.device, self.problem = space, seed, device, problem
        self.net = problem.supernet(seed, device)
        self.weights_optimizer: torch.optim.Optimizer | None = None

    @property
    def trained(self) -> nn.Module:
        """All that the weights' optimiser moves: ``net``, with what stands around it."""
        return self.problem.trained(self.net)

    def velocity(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The momentum of the weights' SGD; zeros before its first step."""
        state = self.weights_optimizer.state if self.weights_optimizer else {}
        return [state.get(w, {}).get("momentum_buffer", torch.zeros_like(w)) for w in weights]

    @abstractmethod
    def loss(self, batch: Batch, moment: Moment) -> Tensor:
        """Of the network that this step trains, on a batch of the weights' part of the data."""

    def before_step(self, train: Batch, val: Iterator[Batch], moment: Moment) -> None:  # noqa: B027
        """Learn what is not weights, if it is learned step by step.

        Args:
            train: the batch that the weights are about to learn from.
            val: batches of the other part, without end.
            moment: of the step.
        """

    def after_epoch(self, val: Iterator[Batch], moment: Moment) -> None:  # noqa: B027
        """Learn what is not weights, if it is learned between epochs."""

    @abstractmethod
    def found(self, judge: Judge) -> list[tuple[Architecture, float | None]]:
        """What comes of it, the best first, with its value under shared weights, if it has one.

        ``judge`` measures that value: accuracy in percent on images that nothing was learned from,
        or perplexity on the validation text.
        """

    def numbers(self) -> dict[str, float]:
        """What is worth watching from epoch to epoch."""
        return {}

    def current(self) -> Architecture | None:
        """What would be derived now, where that is known without measuring."""
        return None

    def weights(self) -> Mapping[str, Sequence[float]]:
        """Of the options, by decision, to show how they develop; empty if there are none."""
        return {}

    def held(self) -> list[str]:
        """The architectures whose weights there are, where not all of them are made at once."""
        return []

    def hold(self, architectures: list[str]) -> None:  # noqa: B027
        """Make the weights of what :meth:`held` gave."""

    def tensors(self) -> dict[str, Tensor]:
        """What a resumed sharing needs, beside the weights; copied back into on resumption."""
        return {}

    def resumed(self, curve: Sequence[SharedEpoch]) -> None:  # noqa: B027
        """Take in the epochs before a resumption, once :meth:`tensors` are as they were."""
