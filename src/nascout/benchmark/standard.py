"""nascout's own format of a benchmark: one Parquet file that says what every column is.

A row is an architecture. The column ``architecture`` holds its notation; every other column holds
numbers, or a canonical text such as a hash. The file's metadata has two entries:

``nascout.benchmark``
    JSON: ``format`` (1), ``benchmark``, ``space``, ``source`` (name of the file it was made from),
    ``source_sha256``, ``licence``, ``page``, ``made_by``; ``columns``, the
    :class:`nascout.benchmark.measure.Measure` of each column of numbers; ``sha256`` of each
    column's content.
``nascout.sha256``
    of that JSON.

A column's digest is checked when the column is read, so opening a large file stays cheap and yet
no altered number is ever returned.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nascout.atomic import write_bytes
from nascout.benchmark.measure import Measure, read_measures
from nascout.benchmark.table_file import TableFile
from nascout.errors import DataError, IntegrityError, MissingExtra

__all__ = ["ARCHITECTURE", "Header", "file_sha256", "read_header", "write_benchmark"]

FORMAT = 1
ARCHITECTURE = "architecture"
HEADER, DIGEST = "nascout.benchmark", "nascout.sha256"


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says about itself."""

    benchmark: str
    space: str
    source: str = ""
    source_sha256: str = ""
    licence: str = ""
    page: str = ""
    made_by: str = ""


@dataclass(frozen=True)
class Documented:
    """A header with the measures and digests of its columns."""

    header: Header
    measures: Mapping[str, Measure]
    sha256: Mapping[str, str]

    def checked(self, table: TableFile, column: str) -> np.ndarray[Any, Any]:
        """A column whose content is as it was written.

        Raises:
            IntegrityError: it is not, or it cannot be decoded.
        """
        try:
            values = table[column]
        except DataError as error:
            raise _altered(table, f"column {column!r}") from error
        if _digest(values) != self.sha256.get(column):
            raise _altered(table, f"column {column!r}")
        return values


def read_header(table: TableFile) -> Documented | None:
    """What ``table`` says about itself; ``None`` if it is not of this format.

    Raises:
        IntegrityError: the header is damaged.
        DataError: written by a later version in a format this one does not know.
    """
    text = table.metadata.get(HEADER)
    if text is None:
        return None
    if hashlib.sha256(text.encode()).hexdigest() != table.metadata.get(DIGEST):
        raise _altered(table, "its description")
    content = json.loads(text)
    if content.pop("format") != FORMAT:
        raise DataError(f"{table.path} is of a later format", "Update nascout to read it.")
    measures = read_measures(content.pop("columns"), table.path.name)
    digests = content.pop("sha256")
    if not set(digests) == set(table.names):
        raise _altered(table, "the names of its columns")
    return Documented(Header(**content), measures, digests)


def write_benchmark(
    path: str | os.PathLike[str],
    header: Header,
    columns: Mapping[str, Sequence[Any] | np.ndarray[Any, Any]],
    measures: Mapping[str, Measure],
) -> Path:
    """Write a file that :func:`read_header` understands; the same content gives the same bytes.

    Args:
        path: where to.
        header: what it is and where it came from.
        columns: ``architecture`` first, one row per architecture.
        measures: of the columns of numbers.

    Raises:
        MissingExtra: pyarrow is not installed.
        OSError, StoreFull: it cannot be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra("writing Parquet", "parquet") from None
    arrays = {name: _plain(values) for name, values in columns.items()}
    content = {
        "format": FORMAT,
        **vars(header),
        "columns": {name: measure.to_dict() for name, measure in measures.items()},
        "sha256": {name: _digest(values) for name, values in arrays.items()},
    }
    text = json.dumps(content)
    table = pa.table({name: pa.array(values) for name, values in arrays.items()})
    table = table.replace_schema_metadata(
        {HEADER: text, DIGEST: hashlib.sha256(text.encode()).hexdigest()}
    )
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return write_bytes(path, file.getvalue())


def file_sha256(path: Path) -> str:
    """Of a file's bytes; of a folder, of its files' names and digests."""
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.is_file())
        listed = "".join(f"{one.name}\0{file_sha256(one)}\n" for one in files)
        return hashlib.sha256(listed.encode()).hexdigest()
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def _plain(values: Sequence[Any] | np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    array = np.asarray(values)
    if array.dtype.kind in "iub":
        return array.astype("<i8")
    return array.astype("<f8") if array.dtype.kind == "f" else array.astype(object)


def _digest(values: np.ndarray[Any, Any]) -> str:
    if values.dtype == object:
        return hashlib.sha256("\0".join(map(str, values)).encode()).hexdigest()
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def _altered(table: TableFile, what: str) -> IntegrityError:
    return IntegrityError(
        f"{table.path}: {what} is not what was written", "Convert the official file again."
    )
