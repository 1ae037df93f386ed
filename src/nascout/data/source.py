"""From what a user names or holds to a data set."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nascout.data.arrays import Arrays, Data
from nascout.data.assemble import Part, assemble
from nascout.data.cifar import is_cifar_folder, load_cifar
from nascout.data.digits import load_digits
from nascout.data.folder import load_folder
from nascout.data.images import from_numpy, plain_type, resize
from nascout.data.npz import load_npz
from nascout.data.torch_dataset import find_object, is_map_style, load_datasets
from nascout.errors import DataError

__all__ = ["as_data", "load"]

KINDS = (
    "Give 'digits', FILE.npz, a folder of images, a CIFAR folder or .tar.gz, "
    "or package.module:dataset."
)
ARCHIVES = (".tar.gz", ".tgz", ".tar")
PYTHON_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def load(
    spec: str,
    *,
    image_size: int | None = None,
    flip: bool | None = None,
    test_fraction: float = 0.2,
) -> Data:
    """Load the data set that ``spec`` names.

    Args:
        spec: ``"digits"``; a ``.npz`` file with x_train, y_train[, x_test, y_test]; a folder with
            one sub-folder per class; a CIFAR-10/100 folder or archive in the official Python
            format; or ``"package.module:dataset"``.
        image_size: make every image a square of that many pixels.
        flip: whether a mirrored image keeps its class. None: yes for image folders and CIFAR, no
            for the rest, of which nothing is known.
        test_fraction: held out for testing, stratified and always the same, where the source has
            no test part; 0 for none.

    Raises:
        ConfigError: an image size or fraction out of range.
        DataError: no such kind or file, or content that cannot be used.
        IntegrityError: a CIFAR file that is not what it should be.
        UnsafePath: an image folder with a link that leads out of it.

    >>> load("digits").name
    'digits'
    """
    path = Path(spec)
    if spec == "digits":
        data = load_digits(test_fraction)
    elif path.is_dir() and is_cifar_folder(path):
        data = load_cifar(path)
    elif path.is_dir():
        data = load_folder(path, image_size=image_size, test_fraction=test_fraction)
    elif path.is_file() and path.suffix == ".npz":
        data = load_npz(path, test_fraction=test_fraction)
    elif path.is_file() and spec.endswith(ARCHIVES):
        data = load_cifar(path)
    elif path.is_file():
        raise DataError(f"{spec} is no kind of data that nascout reads", KINDS)
    elif PYTHON_NAME.fullmatch(spec):
        found = find_object(spec)
        data = _from_object(found, spec, image_size, test_fraction)
    elif path.suffix or len(path.parts) > 1:
        raise DataError(f"no file or folder {spec}", "Check the path.")
    else:
        raise DataError(f"unknown data {spec!r}", KINDS)
    return _finish(data, image_size, flip)


def as_data(
    source: object,
    *,
    name: str = "data",
    image_size: int | None = None,
    flip: bool | None = None,
    test_fraction: float = 0.2,
) -> Data:
    """A data set from whatever the caller holds.

    Args:
        source: a :class:`Data`; a spec or path, see :func:`load`; a map-style torch dataset;
            ``(train, test)`` of those; ``(x, y)`` or ``(x_train, y_train, x_test, y_test)`` of
            arrays or tensors. Tensors are (n, channels, height, width) or (n, height, width).
        name: for sources that have none.
        image_size: see :func:`load`.
        flip: see :func:`load`; None keeps that of a :class:`Data`.
        test_fraction: see :func:`load`.

    Raises:
        As :func:`load`.

    >>> x, y = torch.zeros(10, 3, 8, 8), torch.arange(10) % 2
    >>> as_data((x, y), name="zeros").input_shape
    (3, 8, 8)
    """
    if isinstance(source, str | Path):
        return load(str(source), image_size=image_size, flip=flip, test_fraction=test_fraction)
    return _finish(_from_object(source, name, image_size, test_fraction), image_size, flip)


def _from_object(source: object, name: str, image_size: int | None, test_fraction: float) -> Data:
    if isinstance(source, Data):
        return source
    if isinstance(source, tuple) and _are_arrays(source) and len(source) in (2, 4):
        train = _array_part(source[0], source[1], name)
        test = _array_part(source[2], source[3], name) if len(source) == 4 else None
        return assemble(name, train, test, flip=False, test_fraction=test_fraction)
    pair = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    if not is_map_style(pair[0]) or isinstance(pair[0], np.ndarray | torch.Tensor):
        raise DataError(
            f"cannot make data of a {type(source).__name__}",
            "Give a map-style dataset, a tuple (train, test) of them, or arrays (x, y).",
        )
    return load_datasets(name, pair[0], pair[1], image_size=image_size, test_fraction=test_fraction)


def _are_arrays(source: tuple[Any, ...]) -> bool:
    return all(isinstance(part, np.ndarray | torch.Tensor) for part in source)


def _array_part(x: Any, y: Any, name: str) -> Part:
    if isinstance(x, torch.Tensor):
        x = plain_type(x.detach().cpu())
        images = x[:, None] if x.ndim == 3 else x
    else:
        images = from_numpy(x, f"x of {name!r}")
    return images, y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else y


def _finish(data: Data, image_size: int | None, flip: bool | None) -> Data:
    """Apply the options that hold for every kind."""
    if image_size is not None and data.input_shape[1:] != (image_size, image_size):
        test = data.test and Arrays(resize(data.test.x, image_size), data.test.y)
        train = Arrays(resize(data.train.x, image_size), data.train.y)
        data = replace(data, train=train, test=test)
    return data if flip is None else replace(data, flip=flip)
