"""Reading a pickle of plain values and numpy arrays without running anything it asks for.

A pickle is a program. This reader answers the four names that rebuild a numpy array with its own
small stand-ins and refuses every other name. Not even numpy's own unpickling runs: it trusts the
flags in a pickled dtype, and wrong ones make it follow bytes as pointers.
"""

from __future__ import annotations

import codecs
import io
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt

from nascout.errors import DataError, IntegrityError

__all__ = ["read_plain_pickle"]

# What a damaged pickle can raise, by Python's own documentation.
DAMAGE = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    ImportError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
)
NUMBERS = frozenset(f"{kind}{size}" for kind in "iuf" for size in (1, 2, 4, 8)) - {"f1"}


def read_plain_pickle(content: bytes, where: str) -> dict[Any, Any]:
    """The dictionary in ``content``, of numbers, text, lists and (as values) numeric arrays.

    Args:
        content: a pickle of protocol 0 to 4; strings of Python 2 are read as bytes.
        where: what it is called in messages.

    Raises:
        IntegrityError: it asks for a name that no plain value needs; nothing of it is run.
        DataError: it is damaged, or holds no dictionary.

    >>> read_plain_pickle(pickle.dumps({"a": np.arange(2.0)}, protocol=2), "a test")
    {'a': array([0., 1.])}
    """
    try:
        found = _Reader(content, where).load()
    except DAMAGE as error:
        raise DataError(f"{where} is not a readable pickle", "Download it again.") from error
    if not isinstance(found, dict):
        raise DataError(f"{where} does not hold a dictionary", "Download it again.")
    return {k: v.value if isinstance(v, _Array) else v for k, v in found.items()}


class _Reader(pickle.Unpickler):
    def __init__(self, content: bytes, where: str) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._where = where

    def find_class(self, module: str, name: str) -> Any:
        """Stand-ins for the few names that arrays are made of.

        Each is made anew: a pickle may set attributes on what it gets, and must not spoil it for
        the next.
        """
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return lambda kind, shape, code: _Array()
        if (module, name) == ("numpy", "ndarray"):
            return "ndarray"  # only ever handed to _reconstruct
        if (module, name) == ("numpy", "dtype"):
            return lambda code, align, copy: _Dtype(code)
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: _latin1(text, encoding)  # noqa: PLW0108 - made anew
        raise IntegrityError(
            f"{self._where} asks to run {module}.{name}, which was refused",
            "Download it again from its official address.",
        )


class _Dtype:
    """A pickled number type: a code such as ``u1``, then a state that tells the byte order."""

    def __init__(self, code: object) -> None:
        self._code, self._order = _text(code), "="
        if self._code not in NUMBERS:
            raise pickle.UnpicklingError(f"arrays of {self._code!r}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._order = _text(state[1])

    def value(self) -> np.dtype[Any]:
        return np.dtype(self._order + self._code)


class _Array:
    """A pickled array: nothing, then a state of (version, shape, dtype, is_fortran, bytes)."""

    value: npt.NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes):
            raise pickle.UnpicklingError("not an array of numbers")
        flat = np.frombuffer(raw, dtype.value())
        self.value = flat.reshape(shape, order="F" if is_fortran else "C")


def _text(value: object) -> str:
    """Text of Python 2, which arrives as bytes, or of Python 3."""
    if isinstance(value, bytes):
        return value.decode("ascii")
    if not isinstance(value, str):
        raise pickle.UnpicklingError("not text")
    return value


def _latin1(text: object, encoding: object) -> bytes:
    """How protocol 2 of Python 3 writes bytes."""
    if not isinstance(text, str) or _text(encoding) != "latin1":
        raise pickle.UnpicklingError("not bytes")
    return codecs.latin_1_encode(text)[0]
