"""A labelled image data set held in memory, and its training and validation parts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import torch

from nascout.data.normalise import channel_statistics, normalise
from nascout.data.stratify import hold_out, stream
from nascout.errors import DataError

__all__ = ["Arrays", "Data", "Split"]


@dataclass(frozen=True, eq=False)
class Arrays:
    """One part of a data set.

    Attributes:
        x: uint8 (0 to 255) or float32 (finite), (n, channels, height, width).
        y: labels, int64, (n,). For other tasks than classification, see
            :func:`nascout.data.split_targets`: float32 targets (n, k), or int64 maps
            (n, height, width).

    Raises:
        DataError: empty, other types or shapes, another number of labels, or NaN or infinity.
    """

    x: torch.Tensor
    y: torch.Tensor

    def __post_init__(self) -> None:
        x, y = self.x, self.y
        if x.ndim != 4 or x.dtype not in (torch.uint8, torch.float32):
            raise DataError(
                f"images have shape {tuple(x.shape)} and type {x.dtype}",
                "Give uint8 or float32 of shape (n, channels, height, width).",
            )
        if x.numel() == 0:
            raise DataError(f"no images: the shape is {tuple(x.shape)}", "Give at least one.")
        maps = (len(x), *x.shape[2:])
        kinds = {torch.int64: y.shape in (x.shape[:1], maps), torch.float32: y.ndim == 2}
        if len(y) != len(x) or not kinds.get(y.dtype, False):
            raise DataError(
                f"{len(x)} images with labels of shape {tuple(y.shape)} and type {y.dtype}",
                "Give one int64 label per image.",
            )
        for tensor, what in ((x, "image"), (y, "target")):
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                first = int((~tensor.isfinite()).flatten(1).any(1).nonzero()[0])
                raise DataError(
                    f"{what} {first} holds NaN or infinity", "Remove the image or mend its values."
                )

    def __len__(self) -> int:
        return len(self.y)

    def take(self, index: torch.Tensor) -> Arrays:
        """The images at ``index``: int64, (m,)."""
        return Arrays(self.x[index], self.y[index])

    def content(self) -> str:
        """SHA-256 (64 hex digits) of pixels and labels, with their shapes and types."""
        digest = hashlib.sha256()
        for tensor in (self.x, self.y):
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Split:
    """What training reads: the parts of a data set and the statistics of its training part.

    Attributes:
        train, val: validation came out of the training data; the two share no image.
        test: never looked at by a search; None where the data has no test part.
        classes: number of classes, or of outputs per image (or per pixel).
        mean, std: float32, (channels,), of ``train`` only; see :func:`nascout.data.normalise`.
        flip: whether a mirrored image keeps its class.
    """

    train: Arrays
    val: Arrays
    test: Arrays | None
    classes: int
    mean: torch.Tensor
    std: torch.Tensor
    flip: bool


@dataclass(frozen=True, eq=False)
class Data:
    """A labelled image data set.

    Attributes:
        name: what it is called in reports.
        train: everything that may be trained on; validation is taken from it by :meth:`split`.
        test: kept for the final measurement, or None.
        classes: the names of the classes, in the order of the labels 0 to k - 1.
        flip: whether a mirrored image keeps its class (a cat does, a digit does not).

    Raises:
        DataError: fewer than two classes, a label without a class, or a test part that does not
            fit the training part.
    """

    name: str
    train: Arrays
    test: Arrays | None
    classes: tuple[str, ...]
    flip: bool

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise DataError(
                f"data {self.name!r} has {len(self.classes)} class(es)", "Give at least two."
            )
        for part, arrays in (("training", self.train), ("test", self.test)):
            if arrays is None:
                continue
            if arrays.y.ndim != 1:
                raise DataError(
                    f"{part} targets have the shape {tuple(arrays.y.shape)}",
                    "A search takes one label per image; nascout.data.split_targets makes the "
                    "parts of other tasks.",
                )
            low, high = int(arrays.y.min()), int(arrays.y.max())
            if low < 0 or high >= len(self.classes):
                raise DataError(
                    f"{part} labels run from {low} to {high} with {len(self.classes)} classes",
                    "Number them from 0 to the number of classes - 1.",
                )
            if arrays.x.shape[1:] != self.train.x.shape[1:] or arrays.x.dtype != self.train.x.dtype:
                raise DataError(
                    f"test images are {arrays.x.dtype} {tuple(arrays.x.shape[1:])}, training "
                    f"images {self.train.x.dtype} {self.input_shape}",
                    "Give both the same type, channels and size.",
                )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        channels, height, width = self.train.x.shape[1:]
        return channels, height, width

    @cached_property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of everything but the name; read once, then remembered."""
        parts = [part.content() if part else None for part in (self.train, self.test)]
        return hashlib.sha256(json.dumps([parts, self.classes, self.flip]).encode()).hexdigest()

    @cached_property
    def _statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        return channel_statistics(self.train.x)

    def split(self, val_fraction: float = 0.2, seed: int = 0) -> Split:
        """Take a validation part out of ``train``, class by class; ``test`` stays as it is.

        The same seed gives the same split on every machine. Each class gives its share, rounded,
        and keeps at least one image; a class of two images or more gives at least one.

        Raises:
            DataError: a fraction outside (0, 1), or no class with two images.

        >>> from nascout.data import load
        >>> split = load("digits").split(val_fraction=0.2, seed=0)
        >>> len(split.train), len(split.val), len(split.test)
        (1151, 287, 359)
        """
        if not 0 < val_fraction < 1:
            raise DataError(
                f"a validation fraction of {val_fraction}", "Choose one between 0 and 1."
            )
        kept, held = hold_out(self.train.y, val_fraction, "val", seed)
        if len(held) == 0:
            raise DataError(
                f"every class of {self.name!r} has one training image only",
                "Give at least one class a second image to validate on.",
            )
        train = self.train.take(kept)
        mean, std = channel_statistics(train.x)
        val = self.train.take(held)
        return Split(train, val, self.test, len(self.classes), mean, std, self.flip)

    def batch(self, n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        """``n`` random training images without replacement, the same for the same seed.

        Returns:
            float32 images normalised by all of ``train``, (n, channels, height, width), and
            their int64 labels, (n,).

        Raises:
            DataError: n < 1, or more than there are.

        >>> from nascout.data import load
        >>> x, y = load("digits").batch(16)
        >>> tuple(x.shape), x.dtype, tuple(y.shape)
        ((16, 1, 8, 8), torch.float32, (16,))
        """
        if not 1 <= n <= len(self.train):
            raise DataError(
                f"a batch of {n} from {len(self.train)} training images",
                f"Ask for 1 to {len(self.train)}.",
            )
        index = stream("batch", seed).permutation(len(self.train))[:n]
        part = self.train.take(torch.from_numpy(index))
        return normalise(part.x, *self._statistics), part.y
