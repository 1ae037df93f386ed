"""A table on disk: a CSV file, read whole, or a Parquet file, read column by column."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nascout.errors import DataError, MissingExtra

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NOTATIONS", "TableFile", "open_table", "read_table"]

#: Columns that hold notations, which may look like numbers: 02012100.
NOTATIONS = ("architecture", "arch", "arch_str")


class TableFile(ABC):
    """Columns by name; ``table["name"]`` is an array of numbers, or of objects where it is text."""

    path: Path
    names: tuple[str, ...]
    numeric: frozenset[str]
    """Columns of numbers."""
    metadata: Mapping[str, str]

    @abstractmethod
    def __len__(self) -> int:
        """Rows."""

    @abstractmethod
    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        """A column.

        Raises:
            DataError: it cannot be read.
        """

    def __contains__(self, name: object) -> bool:
        return name in self.names


class _Csv(TableFile):
    def __init__(self, path: Path) -> None:
        self.path = path
        self._frame = read_table(path)
        self.names = tuple(map(str, self._frame.columns))
        self.numeric = frozenset(map(str, self._frame.select_dtypes("number")))
        self.metadata = {}

    def __len__(self) -> int:
        return len(self._frame)

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        return np.asarray(self._frame[name])


class _Parquet(TableFile):
    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        self._file = pq.ParquetFile(path)
        schema = self._file.schema_arrow
        self.names = tuple(schema.names)
        self.numeric = frozenset(f.name for f in schema if _is_number(f.type))
        stored = schema.metadata or {}
        self.metadata = {k.decode(): v.decode(errors="replace") for k, v in stored.items()}

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        import pyarrow as pa

        try:
            column = self._file.read(columns=[name], use_threads=False)[name]
            if name in self.numeric:
                return _numbers(column)
            if pa.types.is_boolean(column.type):
                return np.asarray(column.to_pylist(), dtype=bool)
            # The None keeps numpy from making a table of a column of lists.
            return np.array([*column.to_pylist(), None], dtype=object)[:-1]
        except (OSError, ValueError, pa.ArrowException) as error:
            raise unreadable(self.path, error) from error


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _numbers(column: Any) -> np.ndarray[Any, Any]:
    """By DLPack: pyarrow's own way to numpy imports pandas, half a second and 30 MB."""
    import pyarrow as pa

    if column.null_count:
        column = column.cast(pa.float64()).fill_null(np.nan)
    chunks = [np.from_dlpack(chunk) for chunk in column.chunks]
    return np.concatenate(chunks) if chunks else np.empty(0)


def open_table(path: str | os.PathLike[str]) -> TableFile:
    """A table whose columns are read when they are asked for (of a CSV file: at once).

    Raises:
        DataError: no such file, or one that cannot be read.
        MissingExtra: a Parquet file, and pyarrow is not installed.
    """
    path = Path(path)
    if path.suffix != ".parquet":
        return _Csv(path)
    _check_pyarrow()
    try:
        return _Parquet(path)
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """A CSV (also compressed) or Parquet file as it is.

    Raises:
        DataError: no such file, or one that cannot be read.
        MissingExtra: a Parquet file, and pyarrow is not installed.
    """
    import pandas as pd

    path = Path(path)
    try:
        if path.suffix != ".parquet":
            return pd.read_csv(path, dtype=dict.fromkeys(NOTATIONS, str))
        _check_pyarrow()
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def _check_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401 - its absence names no extra by itself
    except ImportError:
        raise MissingExtra("reading Parquet", "parquet") from None


def missing(path: Path) -> DataError:
    """The error for a file that is not there."""
    return DataError(f"no file {path}", "Check the path; nascout downloads nothing.")


def unreadable(path: Path, error: Exception) -> DataError:
    """The error for a file that is neither kind of table."""
    reason = str(error).partition("\n")[0]
    return DataError(
        f"cannot read {path} ({reason})", "Give a CSV file, or one in Parquet's format."
    )
