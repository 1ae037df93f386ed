"""CIFAR-10 and CIFAR-100 in their official Python format (Krizhevsky, 2009).

A folder ``cifar-10-batches-py`` or ``cifar-100-python``, or the ``.tar.gz`` of one. Its files are
pickles and are read by :mod:`nascout.data.restricted_pickle`; an archive is never extracted.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nascout.data.arrays import Data
from nascout.data.assemble import Part, assemble
from nascout.data.restricted_pickle import read_plain_pickle
from nascout.errors import DataError, IntegrityError

__all__ = ["is_cifar_folder", "load_cifar"]

LARGEST_BYTES = 2**28  # the largest official file has 155 MB


@dataclass(frozen=True)
class Format:
    """Where one of the two data sets keeps what."""

    name: str
    folder: str
    train: tuple[str, ...]
    test: str
    meta: str
    labels: bytes
    label_names: bytes

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that is read."""
        return (*self.train, self.test, self.meta)


FORMATS = (
    Format(
        "cifar10",
        "cifar-10-batches-py",
        tuple(f"data_batch_{i}" for i in range(1, 6)),
        "test_batch",
        "batches.meta",
        b"labels",
        b"label_names",
    ),
    Format(
        "cifar100",
        "cifar-100-python",
        ("train",),
        "test",
        "meta",
        b"fine_labels",
        b"fine_label_names",
    ),
)

Read = Callable[[str], bytes]


def is_cifar_folder(path: Path) -> bool:
    """Whether ``path`` holds the description file of CIFAR-10 or CIFAR-100."""
    return any((path / form.meta).is_file() for form in FORMATS)


def load_cifar(path: Path, *, flip: bool = True) -> Data:
    """Read the official folder or archive; CIFAR-100 with its 100 fine classes.

    Raises:
        DataError: a file that is missing or damaged.
        IntegrityError: a file that asks for anything but numpy arrays, or is far too large.
    """
    if path.is_dir():
        form = next(form for form in FORMATS if (path / form.meta).is_file())
        return _assemble(form, lambda name: _file(path / name), path, flip)
    try:
        with tarfile.open(path, "r:*") as archive:
            members = {member.name.removeprefix("./"): member for member in archive}
            form = _format(path, members.keys())
            read = partial(_member, path, archive, members, form)
            return _assemble(form, read, path, flip)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} is not a readable archive", "Download it again.") from error


def _format(path: Path, names: Any) -> Format:
    for form in FORMATS:
        if f"{form.folder}/{form.meta}" in names:
            return form
    folders = " or ".join(form.folder for form in FORMATS)
    raise DataError(
        f"{path} is not a CIFAR archive", f"It needs the folder {folders} (Python version)."
    )


def _file(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"{path} is missing", "Download the data set again.")
    _check_size(path.stat().st_size, str(path))
    return path.read_bytes()


def _member(
    path: Path,
    archive: tarfile.TarFile,
    members: dict[str, tarfile.TarInfo],
    form: Format,
    name: str,
) -> bytes:
    """The content of one file of an archive, read in memory."""
    member = members.get(f"{form.folder}/{name}")
    # A link in an archive could name any file; the official ones hold plain files only.
    stream = archive.extractfile(member) if member is not None and member.isreg() else None
    if member is None or stream is None:
        raise DataError(
            f"{path} lacks the file {form.folder}/{name}", "Download the data set again."
        )
    _check_size(member.size, name)
    return stream.read()


def _check_size(size: int, name: str) -> None:
    if size > LARGEST_BYTES:
        raise IntegrityError(
            f"{name} has {size} bytes, more than any official file", "Download it again."
        )


def _assemble(form: Format, read: Read, path: Path, flip: bool) -> Data:
    parts = [_part(form, read, name, path) for name in form.train]
    train = torch.cat([x for x, _ in parts]), np.concatenate([y for _, y in parts])
    test = _part(form, read, form.test, path)
    meta = _dictionary(read, form.meta, path)
    names = meta.get(form.label_names)
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise DataError(f"{form.meta} of {path} names no classes", "Download it again.")
    text = [name.decode() if isinstance(name, bytes) else name for name in names]
    return assemble(form.name, train, test, names=text, flip=flip, test_fraction=0)


def _part(form: Format, read: Read, name: str, path: Path) -> Part:
    """Images (n, 3, 32, 32) and labels (n,) of one file; a row is 1024 red, green, blue values."""
    content = _dictionary(read, name, path)
    pixels, labels = content.get(b"data"), content.get(form.labels)
    if (
        not isinstance(pixels, np.ndarray)
        or pixels.dtype != np.uint8
        or pixels.ndim != 2
        or pixels.shape[1] != 3072
        or not isinstance(labels, list)
        or not all(isinstance(label, int) for label in labels)
        or len(labels) != len(pixels)
    ):
        raise DataError(
            f"{name} of {path} does not hold rows of 3072 uint8 pixels with a label each",
            "Download it again.",
        )
    images = torch.from_numpy(np.array(pixels, order="C")).reshape(-1, 3, 32, 32)
    return images, np.array(labels, dtype=np.int64)


def _dictionary(read: Read, name: str, path: Path) -> dict[Any, Any]:
    content = read_plain_pickle(read(name), f"{name} of {path}")
    # Official keys are old strings, read as bytes; a copy saved again by Python 3 has str keys.
    return {k.encode() if isinstance(k, str) else k: v for k, v in content.items()}
