"""Reading a pickle of plain values and numpy arrays without running anything it asks for.

A pickle is a program. This reader answers the four names that rebuild a numpy array with its own
small stand-ins and refuses every other name. Not even numpy's own unpickling runs: it trusts the
flags in a pickled dtype, and wrong ones make it follow bytes as pointers. Benchmarks need a few
names more, see :func:`read_nested_pickle`.
"""

from __future__ import annotations

import codecs
import io
import pickle
from collections.abc import Callable, Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from nascout.errors import DataError, IntegrityError

__all__ = ["StandIns", "read_nested_pickle", "read_plain_pickle"]

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
    RecursionError,
    TypeError,
    ValueError,
)
NUMBERS = frozenset(f"{kind}{size}" for kind in "iuf" for size in (1, 2, 4, 8)) - {"f1"}

MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")

StandIns = Mapping[tuple[str, str], Callable[..., Any]]
"""What is called in the place of a name, by module and name."""


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
        found = _Reader(io.BytesIO(content), where).load()
    except DAMAGE as error:
        raise DataError(f"{where} is not a readable pickle", "Download it again.") from error
    if not isinstance(found, dict):
        raise DataError(f"{where} does not hold a dictionary", "Download it again.")
    return {k: v.value if isinstance(v, _Array) else v for k, v in found.items()}


def read_nested_pickle(
    stream: IO[bytes],
    where: str,
    stand_ins: StandIns | None = None,
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """The next pickle in ``stream``, of dictionaries, lists, tuples and sets of plain values.

    Ordered dictionaries become dictionaries, numpy's scalars Python's numbers, arrays arrays.

    Args:
        stream: left behind the pickle, so that another may follow.
        where: what it is called in messages.
        stand_ins: for names beyond those; each must be safe to call with anything.
        persistent: what an object kept outside the pickle is, by its id; refused without.

    Raises:
        IntegrityError: it asks for a name that no plain value needs; nothing of it is run.
        DataError: it is damaged.

    >>> from collections import OrderedDict
    >>> content = pickle.dumps([OrderedDict(a=np.float64(1)), {2}], protocol=4)
    >>> read_nested_pickle(io.BytesIO(content), "a test")
    [{'a': 1.0}, {2}]
    """
    reader = _NestedReader(stream, where, stand_ins or {}, persistent)
    try:
        found = reader.load()
        return _unwrapped(found) if reader.has_arrays else found
    except DAMAGE as error:
        raise DataError(f"{where} is not a readable pickle", "Download it again.") from error


def _unwrapped(value: Any) -> Any:
    """``value`` with arrays in the place of what stands for them, however deep."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {k: _unwrapped(v) for k, v in value.items()}
    return type(value)(map(_unwrapped, value)) if type(value) in (list, tuple) else value


class _Reader(pickle.Unpickler):
    def __init__(self, stream: IO[bytes], where: str) -> None:
        super().__init__(stream, encoding="bytes")
        self._where = where

    def find_class(self, module: str, name: str) -> Any:
        """Stand-ins for the few names that arrays are made of.

        Each is made anew: a pickle may set attributes on what it gets, and must not spoil it for
        the next.
        """
        if name == "_reconstruct" and module in MULTIARRAY:
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


class _NestedReader(_Reader):
    has_arrays = False

    def __init__(
        self,
        stream: IO[bytes],
        where: str,
        stand_ins: StandIns,
        persistent: Callable[[Any], Any] | None,
    ) -> None:
        super().__init__(stream, where)
        self._stand_ins, self._persistent = stand_ins, persistent

    def find_class(self, module: str, name: str) -> Any:
        """Containers, numpy's scalars and the given stand-ins besides; each made anew."""
        if name == "_reconstruct":
            self.has_arrays = True
        if name == "scalar" and module in MULTIARRAY:
            return lambda kind, raw: _scalar(kind, raw)  # noqa: PLW0108 - made anew
        if (module, name) == ("collections", "OrderedDict"):
            return lambda pairs=(): dict(pairs)
        if name == "set" and module in ("builtins", "__builtin__"):
            return lambda values=(): set(values)
        if (module, name) in self._stand_ins:
            function = self._stand_ins[module, name]
            return lambda *arguments: function(*arguments)  # noqa: PLW0108 - made anew
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> Any:
        """An object kept outside the pickle."""
        if self._persistent is None:
            raise pickle.UnpicklingError("an object outside the pickle")
        return self._persistent(pid)


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


def _scalar(kind: object, raw: object) -> int | float:
    if not isinstance(kind, _Dtype) or not isinstance(raw, bytes):
        raise pickle.UnpicklingError("not a number")
    (value,) = np.frombuffer(raw, kind.value()).tolist()
    return value  # type: ignore[no-any-return]


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
