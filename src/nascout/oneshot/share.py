"""Training shared weights: epoch by epoch, and what is learned beside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nascout.data import Arrays, Split
from nascout.errors import DataError
from nascout.oneshot.learner import Learner, Moment, SharedEpoch
from nascout.oneshot.method import Method
from nascout.records import content_digest
from nascout.space import Architecture, Space
from nascout.train.batches import Batch, Batches
from nascout.train.endings import Diverged, Stopped
from nascout.train.evaluate import inputs
from nascout.train.parallel import find_crew
from nascout.train.randomness import private_global_rng, seed_step
from nascout.train.schedule import learning_rate
from nascout.train.task import tasks
from nascout.train.tensor_file import read_tensors, write_tensors

__all__ = ["Shared", "share"]

JUDGED = 256  # images at a time, of those that judge


@dataclass(frozen=True)
class Shared:
    """What comes of a sharing.

    Attributes:
        architectures: the best first, each with its accuracy under shared weights, in percent, if
            it was measured: an accuracy of the search phase, which says little about the retrained
            network.
        curve: every epoch.
    """

    architectures: tuple[tuple[Architecture, float | None], ...]
    curve: tuple[SharedEpoch, ...]


def share(
    method: Method,
    space: Space,
    split: Split,
    *,
    seed: int = 0,
    device: str | torch.device = "cpu",
    checkpoint: Path | None = None,
    on_epoch: Callable[[SharedEpoch], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Shared:
    """Train shared weights on ``split.train`` and find architectures; ``split.val`` judges them.

    The training images are parted in two: weights learn from one part, the architecture from the
    other. ``split.test`` is never looked at. As in a training, all that is drawn is a function of
    the seed and the step: a sharing that is resumed ends with the same bits as one that was never
    interrupted, and so do all processes of a ``torch.distributed`` group with the same
    architecture.

    Args:
        method: the knobs.
        space: what is searched.
        split: the data.
        seed: any integer.
        device: where everything runs.
        checkpoint: written after every epoch, and resumed from.
        on_epoch: called after every epoch, once it is on disk.
        should_stop: asked before every step.

    Raises:
        Stopped: ``should_stop`` said yes; the finished epochs are in ``checkpoint``.
        Diverged: the loss became NaN or infinite.
        ConfigError: a space that the method cannot search.
        DataError: too few images to part.

    Example:
        >>> from nascout.data import load
        >>> from nascout.oneshot import METHODS
        >>> from nascout.space import SPACES
        >>> space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
        >>> split = load("digits").split()
        >>> shared = share(METHODS["darts"](epochs=1), space, split)       # doctest: +SKIP
        >>> str(shared.architectures[0][0])                                # doctest: +SKIP
    """
    sharing = _Sharing(method, space, split, seed, torch.device(device))
    curve = sharing.resume(checkpoint) if checkpoint else ()
    for epoch in range(len(curve), method.epochs):
        start = time.perf_counter()
        with private_global_rng(sharing.device):
            loss, lr = sharing.epoch(epoch, should_stop or (lambda: False))
        learner = sharing.learner
        current = learner.current()
        done = SharedEpoch(
            epoch + 1,
            method.epochs,
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


class _Sharing:
    """A learner, the optimiser of its weights, and both parts of the data, on one device."""

    def __init__(
        self, method: Method, space: Space, split: Split, seed: int, device: torch.device
    ) -> None:
        self.method, self.space, self.seed, self.device = method, space, seed, device
        self.recipe = method.recipe()
        self.crew = find_crew()
        self.split = replace(
            split,
            train=_on(split.train, device),
            val=_on(split.val, device),
            mean=split.mean.to(device),
            std=split.std.to(device),
        )
        self.learner: Learner = method.learner(space, seed, device)
        for_weights, for_architecture = self._parts()
        self.train = self._batches(for_weights, seed)
        self.val = self._batches(for_architecture, seed + 1)
        # One group: the weights of later networks join it when they appear.
        self.optimizer = self.recipe.optimizer.of(
            [{"params": [], "weight_decay": method.weight_decay}]
        )
        self.learner.weights_optimizer = self.optimizer
        self._adopt()

    def _parts(self) -> tuple[Arrays, Arrays]:
        train = self.split.train
        wanted = round(len(train) * self.method.val_fraction)
        if min(wanted, len(train) - wanted) < 2:
            raise DataError(
                f"{len(train)} training images cannot be parted",
                "Weights and architecture need at least two images each.",
            )
        generator = torch.Generator().manual_seed(
            int(content_digest(["parts", self.seed])[:15], 16)
        )
        order = torch.randperm(len(train), generator=generator).to(self.device)
        return train.take(order[wanted:]), train.take(order[:wanted])

    def _batches(self, part: Arrays, seed: int) -> Batches:
        size = min(self.recipe.batch_size, len(part))
        split = replace(self.split, train=part)
        return Batches(
            split, size, self.recipe.augmentation, tasks["classification"], seed, self.crew
        )

    def _adopt(self) -> None:
        """Let the optimiser move weights that are new."""
        group = self.optimizer.param_groups[0]["params"]
        known = {id(parameter) for parameter in group}
        group.extend(p for p in self.learner.net.parameters() if id(p) not in known)

    def epoch(self, number: int, should_stop: Callable[[], bool]) -> tuple[float, float]:
        """One pass over the weights' images; the mean loss, and the learning rate."""
        steps, val = len(self.train), self._endless(number)
        total, seen, lr = torch.zeros((), device=self.device), 0, 0.0
        for step, batch in enumerate(self.train.of(number)):
            if self.crew.agree(should_stop()):
                raise Stopped
            lr = learning_rate(self.recipe, number * steps + step, steps)
            moment = Moment(number, self.method.epochs, step, steps, lr, self.seed)
            seed_step(self.seed, number * steps + step, self.device, self.crew.rank)
            self.learner.before_step(batch, val, moment)
            total += self._step(batch, moment) * batch.size
            seen += batch.size
        if not total.isfinite():
            raise Diverged(
                f"the loss became NaN or infinite in epoch {number + 1}",
                "Lower the learning rate or clip the gradient.",
            )
        end = Moment(number, self.method.epochs, steps, steps, lr, self.seed)
        self.learner.after_epoch(val, end)
        return float(total) / seen, lr

    def _endless(self, epoch: int) -> Iterator[Batch]:
        for turn in count():
            yield from self.val.of(epoch + turn * self.method.epochs)

    def _step(self, batch: Batch, moment: Moment) -> torch.Tensor:
        """Move the weights once; the mean loss of the batch, still on the device."""
        net = self.learner.net
        loss = self.learner.loss(batch, moment) * (len(batch.x) / batch.size)
        self._adopt()
        self.optimizer.zero_grad()
        torch.autograd.backward(loss, inputs=[p for p in net.parameters() if p.requires_grad])
        total = self.crew.add_up(net, loss.detach())
        if self.recipe.gradient_clip is not None:
            nn.utils.clip_grad_norm_(net.parameters(), self.recipe.gradient_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = moment.lr
        self.optimizer.step()
        return total

    @torch.no_grad()
    def judge(self, architecture: Architecture) -> float:
        """Percent of the validation images that ``architecture`` gets right as it is now."""
        net, graph, val = self.learner.net, architecture.graph(), self.split.val
        net.hold(graph)
        # Parts of one size: the statistics of a small last one would be others.
        parts = -(-len(val) // JUDGED)
        right = 0
        for x, y in zip(val.x.tensor_split(parts), val.y.tensor_split(parts), strict=True):
            out = net(graph, inputs(x, self.split))
            main = out[0] if isinstance(out, tuple) else out
            right += int((main.argmax(1) == y).sum())
        return 100 * right / len(val)

    def _identity(self) -> dict[str, Any]:
        train, val = self.split.train.content(), self.split.val.content()
        return {
            "method": {"name": self.method.name, **asdict(self.method)},
            "space": {"name": self.space.name, **self.space.parameters()},
            "seed": self.seed,
            "processes": self.crew.size,
            "data": [train, val, self.split.flip],
        }

    def save(self, path: Path, curve: Sequence[SharedEpoch]) -> None:
        """Write everything that :meth:`resume` needs."""
        if self.crew.rank > 0:
            return
        content = {
            "identity": content_digest(self._identity()),
            "curve": [asdict(epoch) for epoch in curve],
            "held": self.learner.held(),
        }
        write_tensors(path, self._tensors(), content)

    def resume(self, path: Path) -> tuple[SharedEpoch, ...]:
        """The epochs already done according to ``path``, whose state is then loaded."""
        found = read_tensors(path)
        if found is None or found[1].get("identity") != content_digest(self._identity()):
            return ()
        tensors, content = found
        self.learner.hold(content["held"])
        self._adopt()
        for weight in self.learner.net.parameters():
            self.optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        with torch.no_grad():
            for name, target in self._tensors().items():
                if name in tensors:  # a weight that never moved has no momentum
                    target.copy_(tensors[name])
        curve = tuple(SharedEpoch(**epoch) for epoch in content["curve"])
        self.learner.resumed(curve)
        return curve

    def _tensors(self) -> dict[str, torch.Tensor]:
        net, state = self.learner.net, self.optimizer.state
        tensors = {f"weights.{name}": tensor for name, tensor in net.state_dict().items()}
        for name, weight in net.named_parameters():
            if "momentum_buffer" in state.get(weight, {}):
                tensors[f"momentum.{name}"] = state[weight]["momentum_buffer"]
        learned = self.learner.tensors()
        return tensors | {f"learned.{name}": tensor for name, tensor in learned.items()}


def _on(arrays: Arrays, device: torch.device) -> Arrays:
    return Arrays(arrays.x.to(device), arrays.y.to(device))
