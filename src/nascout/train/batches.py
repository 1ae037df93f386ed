"""The batches of a training: drawn from (seed, epoch), augmented on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from nascout.data import Split
from nascout.data.targets import UNLABELLED
from nascout.errors import ConfigError
from nascout.train.augment import augment, draw_moves
from nascout.train.augmentation import Augmentation
from nascout.train.cutout import cut_out, draw_holes
from nascout.train.evaluate import inputs
from nascout.train.mix import Mix, draw_mix, mix_images
from nascout.train.parallel import Crew
from nascout.train.randaugment import draw_policy, randaugment
from nascout.train.randomness import epoch_generator
from nascout.train.task import Task

__all__ = ["Batch", "Batches"]


@dataclass(frozen=True, eq=False)
class Batch:
    """What this process takes of one batch.

    Attributes:
        x: network inputs, float32, (m, channels, height, width).
        targets: of the images and, where they are mixed, of their partners.
        weight: of the images' own targets.
        size: images of the whole batch.
    """

    x: torch.Tensor
    targets: tuple[torch.Tensor, ...]
    weight: float
    size: int


class Batches:
    """The batches of every epoch; a last one too small for statistics is left out.

    That is one with fewer than two images for each process.

    Args:
        split: on the device.
        size: images per batch.
        how: the augmentation.
        task: whether targets move along with their images.
        seed: of everything drawn.
        crew: the processes that share each batch.

    Raises:
        ConfigError: an augmentation that these images or targets cannot have, or batches that are
            too small for the processes.
    """

    def __init__(
        self, split: Split, size: int, how: Augmentation, task: Task, seed: int, crew: Crew
    ) -> None:
        self.split, self.size, self.how, self.task = split, size, how, task
        self.seed, self.crew = seed, crew
        if how.randaugment and split.train.x.dtype != torch.uint8:
            raise ConfigError(
                "RandAugment needs 8-bit images: the range of others is not known",
                "Give uint8 images, or a recipe without it.",
            )
        if task.of_maps and (how.randaugment or how.cutmix):
            raise ConfigError(
                f"RandAugment and CutMix do not move the maps of {task.name}",
                "Take a recipe without them.",
            )
        if size < 2 * crew.size:
            raise ConfigError(
                f"batches of {size} for {crew.size} processes", "Give each at least two images."
            )

    def __len__(self) -> int:
        """Batches per epoch."""
        n = len(self.split.train)
        return n // self.size + (n % self.size >= 2 * self.crew.size)

    def of(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, counted from 0, from number ``start`` on."""
        train, how = self.split.train, self.how
        n, size = len(train), (train.x.shape[2], train.x.shape[3])
        padding = how.padding(*size)
        flip = self.split.flip if how.flip is None else how.flip
        sides = (round(size[0] * how.cutout), round(size[1] * how.cutout))
        device, generator = train.x.device, epoch_generator(self.seed, epoch)
        order = torch.randperm(n, generator=generator).to(device)
        moves = draw_moves(n, padding, flip, generator).to(device)
        policy = draw_policy(n, how.randaugment, generator) if how.randaugment else None
        holes = draw_holes(n, size, generator).to(device) if how.cutout else None
        mixes = self._mixes(size, generator)
        for number in range(start, len(self)):
            part = slice(number * self.size, (number + 1) * self.size)
            index, mix = order[part], mixes[number]
            x, y = augment(train.x[index], padding, moves.take(part)), train.y[index]
            if self.task.of_maps:
                y = augment(y[:, None], padding, moves.take(part), fill=UNLABELLED)[:, 0]
            if policy:
                x = randaugment(x, policy.take(part), how.magnitude)
            x = inputs(x, self.split)
            if holes:
                x = cut_out(x, holes.take(part), sides)
            yield self._shared(x, y, mix and mix.to(device))

    def _mixes(self, size: tuple[int, int], generator: torch.Generator) -> list[Mix | None]:
        """How each batch is mixed. numpy has the Beta distribution, with a state of its own."""
        rng = np.random.RandomState(int(torch.randint(2**31, (), generator=generator)))
        n = len(self.split.train)
        sizes = (min(self.size, n - number * self.size) for number in range(len(self)))
        return [draw_mix(m, size, self.how, generator, rng) for m in sizes]

    def _shared(self, x: torch.Tensor, y: torch.Tensor, mix: Mix | None) -> Batch:
        targets = (y, y[mix.partner]) if mix else (y,)
        share = self.crew.share
        return Batch(
            share(mix_images(x, mix) if mix else x),
            tuple(share(target) for target in targets),
            mix.weight if mix else 1.0,
            len(x),
        )
