"""Sharing weights between classifiers of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch

from nascout.data import Arrays, Split
from nascout.errors import ConfigError, DataError
from nascout.oneshot.learner import SharedEpoch
from nascout.oneshot.method import Method
from nascout.oneshot.sharing import Shared, Sharing, run
from nascout.records import content_digest
from nascout.space import Architecture, Space
from nascout.space.recurrent import RecurrentSpace
from nascout.train.batches import Batch, Batches
from nascout.train.evaluate import inputs
from nascout.train.parallel import find_crew
from nascout.train.schedule import learning_rate
from nascout.train.task import tasks

__all__ = ["share"]

JUDGED = 256  # images at a time, of those that judge


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
        ConfigError: a space that the method cannot search, such as one of recurrent cells.
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
    return run(sharing, checkpoint, on_epoch, should_stop)


class _Sharing(Sharing):
    """A learner and both parts of the images."""

    def __init__(
        self, method: Method, space: Space, split: Split, seed: int, device: torch.device
    ) -> None:
        _need_images(method, space)
        self.method, self.space = method, space
        self.recipe = method.recipe()
        self.split = replace(
            split,
            train=_on(split.train, device),
            val=_on(split.val, device),
            mean=split.mean.to(device),
            std=split.std.to(device),
        )
        super().__init__(
            method.learner(space, seed, device),
            # One group: the weights of later networks join it when they appear.
            self.recipe.optimizer.of([{"params": [], "weight_decay": method.weight_decay}]),
            epochs=method.epochs,
            clip=self.recipe.gradient_clip,
            seed=seed,
            device=device,
            crew=find_crew(),
        )
        for_weights, for_architecture = self._parts()
        self.train = self._batches(for_weights, seed)
        self.val = self._batches(for_architecture, seed + 1)

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

    def steps(self, epoch: int) -> int:
        return len(self.train)

    def training(self, epoch: int) -> Iterator[Batch]:
        return self.train.of(epoch)

    def validation(self, epoch: int) -> Iterator[Batch]:
        return self._endless(epoch)

    def rate(self, epoch: int, step: int, batch: Batch) -> float:
        steps = len(self.train)
        return learning_rate(self.recipe, epoch * steps + step, steps)

    def _endless(self, epoch: int) -> Iterator[Batch]:
        for turn in count():
            yield from self.val.of(epoch + turn * self.epochs)

    @torch.no_grad()
    def judge(self, architecture: Architecture) -> float:
        """Percent of the validation images that ``architecture`` gets right as it is now."""
        net, val = self.learner.net, self.split.val
        graph = self.space.shared_graph(architecture)
        net.hold(graph)
        # Parts of one size: the statistics of a small last one would be others.
        parts = -(-len(val) // JUDGED)
        right = 0
        for x, y in zip(val.x.tensor_split(parts), val.y.tensor_split(parts), strict=True):
            out = net(graph, inputs(x, self.split))
            main = out[0] if isinstance(out, tuple) else out
            right += int((main.argmax(1) == y).sum())
        return 100 * right / len(val)

    def identity(self) -> dict[str, Any]:
        train, val = self.split.train.content(), self.split.val.content()
        return {
            "method": {"name": self.method.name, **asdict(self.method)},
            "space": {"name": self.space.name, **self.space.parameters()},
            "seed": self.seed,
            "processes": self.crew.size,
            "data": [train, val, self.split.flip],
        }


def _need_images(method: Method, space: Space) -> None:
    if isinstance(space, RecurrentSpace):
        raise ConfigError(
            f"{method.name} cannot learn {space.name} from images: its cells read text",
            "Call nascout.oneshot.share_language with one of LANGUAGE_METHODS and a Text.",
        )


def _on(arrays: Arrays, device: torch.device) -> Arrays:
    return Arrays(arrays.x.to(device), arrays.y.to(device))
