"""Training shared weights, whatever they read: epoch by epoch, and what is learned beside them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nascout.oneshot.learner import Learner, Moment, SharedEpoch
from nascout.records import content_digest
from nascout.space import Architecture
from nascout.train.batches import Batch
from nascout.train.endings import Diverged, Stopped
from nascout.train.parallel import Crew
from nascout.train.randomness import private_global_rng, seed_step
from nascout.train.tensor_file import read_tensors, write_tensors

__all__ = ["Shared", "Sharing", "run"]


@dataclass(frozen=True)
class Shared:
    """What comes of a sharing.

    Attributes:
        architectures: the best first, each with its value under shared weights, if it was
            measured: accuracy in percent, or perplexity where text is read. It is a value of the
            search phase, which says little about the retrained network.
        curve: every epoch.
    """

    architectures: tuple[tuple[Architecture, float | None], ...]
    curve: tuple[SharedEpoch, ...]


class Sharing(ABC):
    """A learner, the optimiser of its weights, and data, on one device.

    Attributes:
        learner, optimizer, epochs, seed, device: of this sharing.
        clip: of the weights' gradient.
        crew: the processes that share.
    """

    def __init__(
        self,
        learner: Learner,
        optimizer: torch.optim.Optimizer,
        *,
        epochs: int,
        clip: float | None,
        seed: int,
        device: torch.device,
        crew: Crew,
    ) -> None:
        self.learner, self.optimizer, self.epochs, self.clip = learner, optimizer, epochs, clip
        self.seed, self.device, self.crew = seed, device, crew
        learner.weights_optimizer = optimizer
        self._adopt()

    @abstractmethod
    def steps(self, epoch: int) -> int:
        """Of the epoch."""

    @abstractmethod
    def training(self, epoch: int) -> Iterator[Batch]:
        """What the weights learn from."""

    @abstractmethod
    def validation(self, epoch: int) -> Iterator[Batch]:
        """What the architecture learns from, without end."""

    @abstractmethod
    def rate(self, epoch: int, step: int, batch: Batch) -> float:
        """The learning rate of the weights."""

    @abstractmethod
    def judge(self, architecture: Architecture) -> float:
        """How ``architecture`` does with the weights as they are, on the validation part."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What decides the result, as JSON-able data."""

    def amount(self, batch: Batch) -> int:
        """What the batch counts in the mean loss of an epoch."""
        return batch.size

    def _adopt(self) -> None:
        """Let the optimiser move weights that are new."""
        group = self.optimizer.param_groups[0]["params"]
        known = {id(parameter) for parameter in group}
        group.extend(p for p in self.learner.trained.parameters() if id(p) not in known)

    def epoch(self, number: int, should_stop: Callable[[], bool]) -> tuple[float, float]:
        """One pass over what the weights learn from; the mean loss, and the learning rate."""
        steps, val = self.steps(number), self.validation(number)
        total, seen, lr = torch.zeros((), device=self.device), 0, 0.0
        for step, batch in enumerate(self.training(number)):
            if self.crew.agree(should_stop()):
                raise Stopped
            lr = self.rate(number, step, batch)
            moment = Moment(number, self.epochs, step, steps, lr, self.seed)
            seed_step(self.seed, number * steps + step, self.device, self.crew.rank)
            self.learner.before_step(batch, val, moment)
            total += self._step(batch, moment) * self.amount(batch)
            seen += self.amount(batch)
        if not total.isfinite():
            raise Diverged(
                f"the loss became NaN or infinite in epoch {number + 1}",
                "Lower the learning rate or clip the gradient.",
            )
        end = Moment(number, self.epochs, steps, steps, lr, self.seed)
        self.learner.after_epoch(val, end)
        return float(total) / seen, lr

    def _step(self, batch: Batch, moment: Moment) -> torch.Tensor:
        """Move the weights once; the mean loss of the batch, still on the device."""
        net = self.learner.trained
        loss = self.learner.loss(batch, moment) * (len(batch.x) / batch.size)
        self._adopt()
        self.optimizer.zero_grad()
        torch.autograd.backward(loss, inputs=[p for p in net.parameters() if p.requires_grad])
        total = self.crew.add_up(net, loss.detach())
        if self.clip is not None:
            nn.utils.clip_grad_norm_(net.parameters(), self.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = moment.lr
        self.optimizer.step()
        return total

    def save(self, path: Path, curve: Sequence[SharedEpoch]) -> None:
        """Write everything that :meth:`resume` needs."""
        if self.crew.rank > 0:
            return
        content = {
            "identity": content_digest(self.identity()),
            "curve": [asdict(epoch) for epoch in curve],
            "held": self.learner.held(),
        }
        write_tensors(path, self._tensors(), content)

    def resume(self, path: Path) -> tuple[SharedEpoch, ...]:
        """The epochs already done according to ``path``, whose state is then loaded."""
        found = read_tensors(path)
        if found is None or found[1].get("identity") != content_digest(self.identity()):
            return ()
        tensors, content = found
        self.learner.hold(content["held"])
        self._adopt()
        for weight in self.learner.trained.parameters():
            self.optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        with torch.no_grad():
            for name, target in self._tensors().items():
                if name in tensors:  # a weight that never moved has no momentum
                    target.copy_(tensors[name])
        curve = tuple(SharedEpoch(**epoch) for epoch in content["curve"])
        self.learner.resumed(curve)
        return curve

    def _tensors(self) -> dict[str, torch.Tensor]:
        net, state = self.learner.trained, self.optimizer.state
        tensors = {f"weights.{name}": tensor for name, tensor in net.state_dict().items()}
        for name, weight in net.named_parameters():
            if "momentum_buffer" in state.get(weight, {}):
                tensors[f"momentum.{name}"] = state[weight]["momentum_buffer"]
        learned = self.learner.tensors()
        return tensors | {f"learned.{name}": tensor for name, tensor in learned.items()}


def run(
    sharing: Sharing,
    checkpoint: Path | None,
    on_epoch: Callable[[SharedEpoch], None] | None,
    should_stop: Callable[[], bool] | None,
) -> Shared:
    """All epochs that are left, and what is found.

    Raises:
        Stopped: ``should_stop`` said yes; the finished epochs are in ``checkpoint``.
        Diverged: the loss became NaN or infinite.
    """
    curve = sharing.resume(checkpoint) if checkpoint else ()
    for epoch in range(len(curve), sharing.epochs):
        start = time.perf_counter()
        with private_global_rng(sharing.device):
            loss, lr = sharing.epoch(epoch, should_stop or (lambda: False))
        learner = sharing.learner
        current = learner.current()
        done = SharedEpoch(
            epoch + 1,
            sharing.epochs,
            loss,
            lr,
            "" if current is None else str(current),
            learner.numbers(),
            {name: list(weights) for name, weights in learner.weights().items()},
            time.perf_counter() - start,
        )
        curve = (*curve, done)
        if checkpoint:
            sharing.save(checkpoint, curve)
        if on_epoch:
            on_epoch(done)
    return Shared(tuple(sharing.learner.found(sharing.judge)), curve)
