"""Training a network from the first step to the last, with stops and resumptions in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from nascout.data import Split
from nascout.train.checkpoint import Checkpoint
from nascout.train.curve import Epoch, Step, Trained
from nascout.train.endings import Stopped
from nascout.train.recipe import Recipe
from nascout.train.task import Task, tasks
from nascout.train.trainer import Partial, Trainer

__all__ = ["fit"]


def fit(
    net: nn.Module,
    split: Split,
    recipe: Recipe,
    *,
    task: str | Task = "classification",
    epochs: int | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    precision: str = "auto",
    checkpoint: Path | None = None,
    save_steps: int | None = None,
    save_seconds: float | None = None,
    on_step: Callable[[Step], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Trained:
    """Train ``net`` in place on ``split.train``; it ends on ``device`` in evaluation mode.

    Order and augmentation are functions of (seed, epoch), dropout and dropped paths of (seed,
    step), and the global RNG is left as found. So a training resumed from its checkpoint ends
    with the same bits as one that was never interrupted (on the CPU; on a GPU up to the order in
    which its kernels add). ``split.test`` is never looked at.

    Where ``torch.distributed`` was started, all its processes train together; each must call this
    with the same arguments. See :mod:`nascout.train.parallel`.

    Args:
        net: images (n, channels, height, width) to outputs, or to a tuple of which the first is
            the main one and the others are auxiliary heads.
        split: training part and validation part.
        recipe: how to train.
        task: one of :data:`nascout.train.tasks`, or your own.
        epochs: instead of the recipe's; the schedule is stretched over them.
        seed: any integer.
        device: where to train.
        precision: of the forward pass: ``float32``, ``bfloat16``, or ``float16`` with a scaled
            loss, on CUDA only. ``auto`` is, on CUDA, bfloat16 or, where that is missing, float16,
            and elsewhere float32. The last two are mixed (``torch.autocast``): weights, gradients
            and the optimiser stay in float32, and so does what is measured.
        checkpoint: written after every epoch, and when ``should_stop`` says yes. If it already
            holds the beginning of this same training (recipe, epochs, task, seed, precision, data,
            shapes), training goes on from there; a damaged or foreign file is ignored and
            overwritten. One network, one path.
        save_steps: write it after so many steps, too.
        save_seconds: write it, too, when it is older than this.
        on_step: called after every step.
        on_epoch: called after every epoch, once it is on disk. The validation part is measured
            after every epoch if somebody listens, otherwise after the last one only.
        should_stop: asked before every step.

    Raises:
        Stopped: ``should_stop`` said yes; all that was done is in ``checkpoint``.
        Diverged: the loss or an output became NaN or infinite.
        ConfigError: fewer than 1 epoch, an augmentation that does not suit the data, or a
            precision that the device does not have.
        DataError: fewer than 2 training images.
        UnsupportedNetwork: nothing to train, outputs of the wrong form, or a recipe that drops
            paths of a network that has no graph.

    >>> from nascout.data import load
    >>> from nascout.train import recipes
    >>> _ = torch.manual_seed(0)
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> fit(net, load("digits").split(), recipes["shortlist"], epochs=2).val_metric > 80
    True
    """
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    task = tasks[task] if isinstance(task, str) else task
    trainer = Trainer(net, split, recipe, task, seed, torch.device(device), precision)
    state = trainer.resume(checkpoint)
    keeper = _Keeper(trainer, checkpoint, save_steps, save_seconds, on_step, should_stop)
    for number in range(len(state.curve), recipe.epochs):
        start = time.perf_counter() - state.seconds
        with trainer.regularised():
            done = keeper.run(number, state)
        measured = on_epoch is not None or number == recipe.epochs - 1
        val = trainer.val_metric() if measured else None
        seconds = time.perf_counter() - start
        loss, lr = trainer.mean_loss(done), trainer.lr((number + 1) * len(trainer.batches) - 1)
        epoch = Epoch(number + 1, recipe.epochs, loss, val, lr, seconds)
        state = Checkpoint((*state.curve, epoch))
        if checkpoint:
            trainer.save(checkpoint, state.curve)
        if on_epoch:
            on_epoch(epoch)
    trainer.finish()
    last = state.curve[-1]
    assert last.val_metric is not None  # the last epoch is always measured
    total = sum(epoch.seconds for epoch in state.curve)
    return Trained(task.metric, last.val_metric, last.train_loss, recipe.epochs, total, state.curve)


@dataclass(eq=False)
class _Keeper:
    """Runs epochs, tells what happens, and writes checkpoints on the way."""

    trainer: Trainer
    path: Path | None
    save_steps: int | None
    save_seconds: float | None
    on_step: Callable[[Step], None] | None
    should_stop: Callable[[], bool] | None

    def __post_init__(self) -> None:
        self.saved = self.begun = time.perf_counter()
        self.made = 0

    def run(self, number: int, state: Checkpoint) -> Partial:
        """The steps of epoch ``number`` that ``state`` does not hold."""
        done = Partial(state.step, torch.tensor(state.loss_sum), state.seconds)
        try:
            for done, loss in self.trainer.epoch(number, state, self.should_stop or _never):
                self._tell(number, done, loss)
                if self._is_due(done):
                    self._save(state, done)
        except Stopped:
            self._save(state, done)
            raise
        return done

    def _tell(self, number: int, done: Partial, loss: torch.Tensor) -> None:
        self.made += 1
        if self.on_step:
            trainer = self.trainer
            step = number * len(trainer.batches) + done.step
            speed = (time.perf_counter() - self.begun) / self.made
            left = (trainer.steps - step) * speed
            self.on_step(Step(step, trainer.steps, trainer.lr(step - 1), loss, left))

    def _is_due(self, done: Partial) -> bool:
        if self.save_steps is not None and done.step % self.save_steps == 0:
            return True
        age = time.perf_counter() - self.saved
        return self.save_seconds is not None and age >= self.save_seconds

    def _save(self, state: Checkpoint, done: Partial) -> None:
        if self.path and done.loss_sum.isfinite():
            self.trainer.save(self.path, state.curve, done)
        self.saved = time.perf_counter()


def _never() -> bool:
    return False
