"""Any map-style torch dataset, read once into memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL.Image import Image

from nascout.data.arrays import Data
from nascout.data.assemble import Part, assemble
from nascout.data.images import from_numpy, plain_type, resize
from nascout.data.memory import require_memory
from nascout.data.python_object import import_object, importable
from nascout.errors import DataError

__all__ = ["find_object", "is_map_style", "load_datasets"]

ITEMS = "Items must be (image, label): a tensor (channels, height, width), an array or a picture."


def find_object(spec: str) -> Any:
    """What ``"package.module:name"`` refers to; a function or class is called without arguments.

    The module may also lie in the current folder.

    Raises:
        DataError: no such module or name, or code that fails.
    """
    found = import_object(spec, DataError)
    if not isinstance(found, type) and (not callable(found) or is_map_style(found)):
        return found
    with importable(spec.rpartition(":")[0]):
        return found()


def is_map_style(obj: object) -> bool:
    """Whether ``obj`` has a length and items by position."""
    return hasattr(obj, "__len__") and hasattr(obj, "__getitem__")


def load_datasets(
    name: str,
    train: Any,
    test: Any = None,
    *,
    image_size: int | None = None,
    flip: bool = False,
    test_fraction: float = 0.2,
) -> Data:
    """Read every item of ``train`` and, if given, of ``test``.

    Each item is read once: a random transform inside a dataset is frozen as it falls. Tensors
    are (channels, height, width) or (height, width); arrays may have their channels last.

    Raises:
        DataError: items of another form or of differing shapes, or more than fits into memory.
    """
    names = getattr(train, "classes", None)
    return assemble(
        name,
        _materialise(train, image_size, f"{name!r}, training part"),
        None if test is None else _materialise(test, image_size, f"{name!r}, test part"),
        names=names if isinstance(names, Sequence) and not isinstance(names, str) else None,
        flip=flip,
        test_fraction=test_fraction,
    )


def _materialise(dataset: Any, image_size: int | None, where: str) -> Part:
    if not is_map_style(dataset) or len(dataset) == 0:
        raise DataError(
            f"{where}: {type(dataset).__name__} has no items by position",
            "Give a map-style dataset that is not empty.",
        )
    first, _ = _item(dataset, 0, image_size, where)
    require_memory(len(dataset) * first.numel() * first.element_size(), where)
    images = torch.empty(len(dataset), *first.shape, dtype=first.dtype)
    labels = []
    for i in range(len(dataset)):
        image, label = _item(dataset, i, image_size, where)
        if image.shape != first.shape or image.dtype != first.dtype:
            raise DataError(
                f"{where}: item 0 is {first.dtype} {tuple(first.shape)}, item {i} is "
                f"{image.dtype} {tuple(image.shape)}",
                "Make them alike, or pass --image-size N if only the sizes differ.",
            )
        images[i] = image
        labels.append(label)
    return images, np.array(labels)


def _item(
    dataset: Any, index: int, image_size: int | None, where: str
) -> tuple[torch.Tensor, int | str]:
    """Image (channels, height, width) and label."""
    item = dataset[index]
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise DataError(f"{where}: item {index} is a {type(item).__name__}", ITEMS)
    image, label = item
    x = _image(image, f"{where}, item {index}")
    if isinstance(label, torch.Tensor | np.generic | np.ndarray) and np.ndim(label) == 0:
        label = label.item()
    if isinstance(label, bool) or not isinstance(label, int | str):
        raise DataError(
            f"{where}: the label of item {index} is a {type(label).__name__}",
            "Labels must be integers or strings.",
        )
    return (x if image_size is None else resize(x[None].contiguous(), image_size)[0]), label


def _image(image: object, where: str) -> torch.Tensor:
    if isinstance(image, torch.Tensor) and image.ndim in (2, 3):
        x = plain_type(image.detach().cpu())
        return x if x.ndim == 3 else x[None]
    if isinstance(image, Image):
        grey = image.mode in ("1", "L", "LA")
        array = np.array(image.convert("L" if grey else "RGB"))
        return torch.from_numpy(array.reshape(*array.shape[:2], -1)).permute(2, 0, 1)
    if isinstance(image, np.ndarray) and image.ndim in (2, 3):
        return from_numpy(image[None], where)[0]
    raise DataError(f"{where}: the image is a {type(image).__name__}", ITEMS)
