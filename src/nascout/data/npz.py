"""A data set in one ``.npz`` file: ``x_train``, ``y_train`` and, if there, ``x_test``, ``y_test``.

A file without a test part has a stratified fraction held out, always the same. ``classes`` may
name the classes. Nothing is unpickled: an array of objects is refused.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nascout.data.arrays import Data
from nascout.data.assemble import assemble
from nascout.data.images import from_numpy
from nascout.data.memory import require_memory
from nascout.errors import DataError

__all__ = ["load_npz"]

NEEDED, TEST = {"x_train", "y_train"}, {"x_test", "y_test"}
KEYS = "x_train, y_train and, if there is a test part, x_test, y_test"


def load_npz(path: Path, *, flip: bool = False, test_fraction: float = 0.2) -> Data:
    """Read ``path``.

    Images are uint8 or float, laid out as :func:`nascout.data.images.from_numpy` says; labels are
    integers or strings, numbered in ascending order unless ``classes`` names them.

    Raises:
        DataError: not an .npz file, missing arrays, arrays of objects, or arrays that do not fit
            together.
    """
    arrays = _read(path)
    found = set(arrays)
    if not found >= NEEDED or (found & TEST and not found >= TEST):
        raise DataError(
            f"{path} holds the arrays {', '.join(sorted(arrays)) or 'none'}", f"It needs {KEYS}."
        )
    train = from_numpy(arrays["x_train"], f"x_train of {path}"), arrays["y_train"]
    test = None
    if found >= TEST:
        test = from_numpy(arrays["x_test"], f"x_test of {path}"), arrays["y_test"]
    names = [str(name) for name in arrays["classes"].ravel()] if "classes" in arrays else None
    return assemble(path.stem, train, test, names=names, flip=flip, test_fraction=test_fraction)


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays that this loader knows, or those that are there under other names."""
    damaged = DataError(f"{path} is not a readable .npz file", "Write it with numpy.savez.")
    try:
        with zipfile.ZipFile(path) as archive:
            require_memory(sum(entry.file_size for entry in archive.infolist()), str(path))
        with np.load(path, allow_pickle=False) as archive:
            return {key: _array(archive, key, path) for key in archive.files}
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise damaged from error


def _array(archive: Any, key: str, path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = archive[key]
    except ValueError as error:  # numpy's refusal of objects, and of a header that makes no sense
        raise DataError(
            f"array {key!r} of {path} cannot be read: {error}",
            "Save plain arrays of numbers or strings, without objects.",
        ) from error
    return array
