"""Labels of any kind as 0 to k - 1, with the names of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nascout.errors import DataError

__all__ = ["class_values", "encode"]

Labels = npt.NDArray[Any]


def class_values(
    labels: Labels, names: Sequence[str] | None, where: str
) -> tuple[Labels, tuple[str, ...]]:
    """The label value of each class, ascending, and the name of each class.

    With ``names``, integer labels are positions in them. Without, the distinct labels are the
    classes: integers in ascending order, strings in alphabetical order.

    Raises:
        DataError: labels that are neither integers nor strings, or not one per image.
    """
    found = np.unique(_plain(labels, where))
    if names is None or found.dtype.kind != "i":
        return found, tuple(str(value) for value in found)
    return np.arange(len(names)), tuple(str(name) for name in names)


def encode(labels: Labels, values: Labels, where: str) -> torch.Tensor:
    """Positions of ``labels`` in ``values``: int64, (n,).

    Args:
        labels: integers or strings, (n,) or (n, 1).
        values: ascending, from :func:`class_values`.
        where: what the labels are called in messages.

    Raises:
        DataError: a label that is not among ``values``.

    >>> encode(np.array(["dog", "cat"]), np.array(["cat", "dog"]), "y")
    tensor([1, 0])
    """
    plain = _plain(labels, where)
    if plain.dtype.kind != values.dtype.kind:
        raise DataError(
            f"{where} holds {plain.dtype} labels, the training part {values.dtype}",
            "Use one kind of label in both parts.",
        )
    position = np.searchsorted(values, plain).clip(max=len(values) - 1)
    wrong = values[position] != plain
    if wrong.any():
        raise DataError(
            f"{where} holds the label {plain[wrong][0].item()!r}, which is no class",
            f"The classes are {', '.join(str(v) for v in values[:20])}"
            f"{', ...' if len(values) > 20 else ''}.",
        )
    return torch.from_numpy(position.astype(np.int64))


def _plain(labels: Labels, where: str) -> Labels:
    """One int64 or string per image."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    kind = labels.dtype.kind
    if labels.ndim != 1 or kind not in "biuUS":
        raise DataError(
            f"{where} has shape {labels.shape} and type {labels.dtype}",
            "Give one integer or string per image.",
        )
    if kind == "S":
        return np.char.decode(labels, "utf-8")
    return labels if kind == "U" else labels.astype(np.int64)
