"""Images with targets other than one label each: several labels, numbers, maps."""

from __future__ import annotations

from typing import Final

import torch

from nascout.data.arrays import Arrays, Split
from nascout.data.images import plain_type
from nascout.data.normalise import channel_statistics
from nascout.data.stratify import stream
from nascout.errors import DataError

__all__ = ["UNLABELLED", "split_targets"]

#: The label of a pixel that counts neither in the loss nor in the metric.
UNLABELLED: Final = -100


def split_targets(
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    test: tuple[torch.Tensor, torch.Tensor] | None = None,
    classes: int | None = None,
    flip: bool = False,
    val_fraction: float = 0.2,
    seed: int = 0,
) -> Split:
    """What :func:`nascout.train.fit` reads, for the tasks that have no classes to divide by.

    The validation part is drawn at random, the same for the same seed.

    Args:
        x: uint8 or float images, (n, channels, height, width).
        y: numbers (n,) or (n, k), as floats: values to predict, or 0 and 1 for k labels; or
            int64 maps (n, height, width) of classes, with -100 where a pixel has none.
        test: the same, kept for the end.
        classes: of maps; by default one more than the largest.
        flip: whether a mirrored image keeps its targets (maps are mirrored along).
        val_fraction: between 0 and 1.
        seed: any integer.

    Raises:
        DataError: shapes or types that do not fit, or too few images for two parts.

    >>> split = split_targets(torch.rand(10, 1, 8, 8), torch.rand(10))
    >>> len(split.train), len(split.val), split.train.y.shape[1], split.classes
    (8, 2, 1, 1)
    """
    whole = _arrays(x, y)
    held = round(val_fraction * len(whole))
    if not 0 < held < len(whole):
        raise DataError(
            f"a validation part of {held} of {len(whole)} images",
            "Choose another fraction, or give more images.",
        )
    order = torch.from_numpy(stream("val", seed).permutation(len(whole)))
    train, val = (whole.take(part.sort().values) for part in (order[held:], order[:held]))
    if classes is None:
        classes = whole.y.shape[1] if whole.y.ndim == 2 else int(whole.y.max()) + 1
    mean, std = channel_statistics(train.x)
    return Split(train, val, test and _arrays(*test), classes, mean, std, flip)


def _arrays(x: torch.Tensor, y: torch.Tensor) -> Arrays:
    if y.is_floating_point():
        y = y.float()[:, None] if y.ndim == 1 else y.float()
    return Arrays(plain_type(x), y)
