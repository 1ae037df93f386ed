"""A network that is being trained: its optimiser, its data and its average on one device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nascout.data import Arrays, Split
from nascout.errors import DataError
from nascout.train.batches import Batch, Batches
from nascout.train.checkpoint import Checkpoint, Holders, load_checkpoint, save_checkpoint
from nascout.train.curve import Epoch
from nascout.train.drop_path import Training, dropping_paths
from nascout.train.dropout import dropping_features
from nascout.train.endings import Diverged, Stopped
from nascout.train.evaluate import measure, outputs
from nascout.train.mix import mixed_loss
from nascout.train.parallel import Crew, find_crew
from nascout.train.precision import half_precision
from nascout.train.randomness import private_global_rng, seed_step
from nascout.train.recipe import Recipe
from nascout.train.schedule import learning_rate
from nascout.train.task import Task

__all__ = ["Partial", "Trainer"]

CHECK_EVERY = 16  # steps between looks at the loss: each look makes a GPU wait


@dataclass(frozen=True, eq=False)
class Partial:
    """An epoch that is under way.

    Attributes:
        step: steps that are done.
        loss_sum: of their images, no dimensions, on the device.
        seconds: that they took.
    """

    step: int
    loss_sum: torch.Tensor
    seconds: float


class Trainer:
    """One step after another; :func:`nascout.train.fit` decides how many.

    Args:
        net: trained in place.
        split: training and validation part.
        recipe: how to train.
        task: loss and metric.
        seed: any integer.
        device: where to train.
        precision: of the forward pass, see :func:`nascout.train.fit`.
    """

    def __init__(
        self,
        net: nn.Module,
        split: Split,
        recipe: Recipe,
        task: Task,
        seed: int,
        device: torch.device,
        precision: str = "auto",
    ) -> None:
        self.precision, self.half = precision, half_precision(precision, device)
        self.crew: Crew = find_crew()
        if len(split.train) < 2 * self.crew.size:
            few = "one training image is" if len(split.train) == 1 else "the training images are"
            raise DataError(f"{few} too few", "Give at least two for each process.")
        self.net, self.recipe, self.task = net.to(device), recipe, task
        self.seed, self.device = seed, device
        self.split = replace(
            split,
            train=Arrays(split.train.x.to(device), split.train.y.to(device)),
            val=Arrays(split.val.x.to(device), split.val.y.to(device)),
            mean=split.mean.to(device),
            std=split.std.to(device),
        )
        self.batches = Batches(
            self.split, recipe.batch_size, recipe.augmentation, task, seed, self.crew
        )
        optimizer = recipe.optimizer.make(net)
        optimizer.zero_grad()
        self.holders = Holders(net, optimizer, _average(net, recipe.ema_decay))
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.half == torch.float16)
        self.training = Training()

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.recipe.epochs * len(self.batches)

    @property
    def measured(self) -> nn.Module:
        """The network whose weights count: the average, where there is one."""
        average = self.holders.average
        return self.net if average is None else average.module  # type: ignore[return-value]

    @contextmanager
    def regularised(self) -> Iterator[None]:
        """Meanwhile paths and features are dropped."""
        with (
            dropping_paths(self.net, self.recipe.drop_path, self.training),
            dropping_features(self.net, self.recipe.dropout),
        ):
            yield

    def epoch(
        self, number: int, done: Checkpoint, should_stop: Callable[[], bool]
    ) -> Iterator[tuple[Partial, torch.Tensor]]:
        """Make the steps of an epoch that are not done yet; after each, what is done, and its loss.

        Raises:
            Stopped: ``should_stop`` said yes.
            Diverged: the loss is NaN or infinite.
        """
        total = torch.tensor(done.loss_sum, device=self.device)
        begin = time.perf_counter() - done.seconds
        self.net.train()
        for step, batch in enumerate(self.batches.of(number, done.step), done.step):
            if self.crew.agree(should_stop(), self.device):
                raise Stopped
            with private_global_rng(self.device):
                loss = self._step(batch, number * len(self.batches) + step)
            total = total + loss * batch.size
            if step % CHECK_EVERY == 0 or step == len(self.batches) - 1:
                _require_finite(total, number)
            yield Partial(step + 1, total, time.perf_counter() - begin), loss

    def lr(self, step: int) -> float:
        """Of one step, counted from 0 over all epochs."""
        return learning_rate(self.recipe, step, len(self.batches))

    def mean_loss(self, partial: Partial) -> float:
        """Over the images of the steps that are done."""
        n = len(self.split.train)
        return float(partial.loss_sum) / min(n, partial.step * self.recipe.batch_size)

    def _step(self, batch: Batch, step: int) -> torch.Tensor:
        """Move the weights once; the mean loss of the batch, still on the device."""
        seed_step(self.seed, step, self.device, self.crew.rank)
        self.training.progress = step / self.steps
        optimizer = self.holders.optimizer
        for group in optimizer.param_groups:
            group["lr"] = self.lr(step)
        with torch.autocast(self.device.type, self.half, enabled=self.half is not None):
            loss = self._loss(batch) * (len(batch.x) / batch.size)
        torch.autograd.backward(self.scaler.scale(loss))
        total = self.crew.add_up(self.net, loss.detach())
        if self.recipe.gradient_clip is not None:
            self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.gradient_clip)
        self.scaler.step(optimizer)
        self.scaler.update()
        optimizer.zero_grad()
        if self.holders.average is not None:
            self.holders.average.update_parameters(self.net)  # type: ignore[operator]
        return total

    def _loss(self, batch: Batch) -> torch.Tensor:
        """Of the main output, plus those of auxiliary heads with their weight."""
        recipe, y = self.recipe, batch.targets[0]
        main, *further = outputs(self.net, batch.x, y, self.task, self.split.classes)
        smoothed = partial(_smoothed, self.task, recipe.label_smoothing)
        loss = mixed_loss(smoothed, main, batch.targets, batch.weight)
        for out in further if recipe.auxiliary_weight else ():
            extra = mixed_loss(smoothed, out, batch.targets, batch.weight)
            loss = loss + recipe.auxiliary_weight * extra
        return loss

    def val_metric(self) -> float:
        """The task's metric on the validation part."""
        self.crew.share_statistics(self.measured)
        return measure(self.measured, self.split.val, self.split, self.task, device=self.device)

    def resume(self, path: Path | None) -> Checkpoint:
        """Where ``path`` says that this training stands; its state is then loaded."""
        found = load_checkpoint(path, self._identity, self.holders) if path else None
        if found is not None and found.scaler:
            self.scaler.load_state_dict(found.scaler)
        self.crew.begin(self.net)
        return found or Checkpoint()

    def save(self, path: Path, curve: tuple[Epoch, ...], partial: Partial | None = None) -> None:
        """Write everything that :meth:`resume` needs."""
        if self.crew.rank > 0:
            return
        state = Checkpoint(curve, scaler=self.scaler.state_dict())
        if partial is not None:
            loss = float(partial.loss_sum)
            state = replace(state, step=partial.step, loss_sum=loss, seconds=partial.seconds)
        save_checkpoint(path, self._identity, state, self.holders)

    def finish(self) -> None:
        """Leave the network as it was measured, ready for use."""
        if self.measured is not self.net:
            self.net.load_state_dict(self.measured.state_dict())
        self.net.eval()

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What must be the same for a training to be the same."""
        return {
            "recipe": self.recipe.as_dict(),
            "task": self.task.name,
            "seed": self.seed,
            "precision": self.precision,
            "processes": self.crew.size,
            "data": [self.split.train.content(), self.split.val.content(), self.split.flip],
        }


def _smoothed(task: Task, smoothing: float, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return task.loss(out, y, smoothing)


def _average(net: nn.Module, decay: float | None) -> AveragedModel | None:
    """A moving average of weights and statistics; the first update copies them."""
    if decay is None:
        return None
    update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(net, multi_avg_fn=update, use_buffers=True)


def _require_finite(total: torch.Tensor, epoch: int) -> None:
    if not total.isfinite():
        raise Diverged(
            f"the loss became NaN or infinite in epoch {epoch + 1}",
            "Lower the learning rate or clip the gradient.",
        )
