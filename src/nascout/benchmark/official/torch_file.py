"""Files of ``torch.save`` that hold plain values and tensors, read without torch."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nascout.errors import DataError

if TYPE_CHECKING:
    from nascout.data.restricted_pickle import StandIns

__all__ = ["read_torch_file"]

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
#: Names of storages, and the numbers in them.
STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


def read_torch_file(path: Path) -> Any:
    """What a ``.pth`` file holds, tensors as numpy arrays.

    Two formats: a zip archive with ``data.pkl`` and a file per storage (torch 1.6 and later), and
    the one before it, a row of pickles. Of that one only files without tensors are read.

    Raises:
        IntegrityError: it asks to run something.
        DataError: no such file, or one of another form.
    """
    try:
        if zipfile.is_zipfile(path):
            return _read_zip(path)
        return _read_row(path)
    except FileNotFoundError:
        raise DataError(f"no file {path}", "Give the official file.") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is damaged ({error})", "Download it again.") from error


def _read_zip(path: Path) -> Any:
    from nascout.data.restricted_pickle import read_nested_pickle

    with zipfile.ZipFile(path) as archive:
        found = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(found) != 1:
            raise DataError(f"{path} is no file of torch.save", "Give the official file.")
        folder = found[0].removesuffix("data.pkl")

        def storage(pid: Any) -> np.ndarray[Any, Any]:
            kind, dtype, key, _, _ = pid
            if kind != "storage" or not str(key).isdigit():
                raise ValueError("not a storage")
            return np.frombuffer(archive.read(f"{folder}data/{key}"), dtype())

        with archive.open(found[0]) as file:
            return read_nested_pickle(file, path.name, _stand_ins(), storage)


def _read_row(path: Path) -> Any:
    from nascout.data.restricted_pickle import read_nested_pickle

    with path.open("rb") as file:
        if read_nested_pickle(file, path.name) != MAGIC:
            raise DataError(f"{path} is no file of torch.save", "Give the official file.")
        if read_nested_pickle(file, path.name) != PROTOCOL:
            raise DataError(f"{path} is of another version of torch.save", "Save it again.")
        read_nested_pickle(file, path.name)  # the machine it was written on
        return read_nested_pickle(file, path.name)


def _stand_ins() -> StandIns:
    """A storage's name becomes its kind of numbers; a tensor a view of its storage."""

    def kind(dtype: str) -> Callable[[], np.dtype[Any]]:
        return lambda: np.dtype(dtype)

    storages = {("torch", name): kind(dtype) for name, dtype in STORAGES.items()}
    return {**storages, ("torch._utils", "_rebuild_tensor_v2"): _tensor}


def _tensor(
    storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> np.ndarray[Any, Any]:
    if not isinstance(storage, np.ndarray) or offset < 0 or min(stride, default=0) < 0:
        raise ValueError("not a tensor")
    step = storage.itemsize
    strides = [step * s for s in stride]
    # numpy refuses a view that leaves the buffer.
    return np.ndarray(size, storage.dtype, storage.data, offset * step, strides).copy()
