"""What a benchmark's table looks like: which columns, what they mean, how to write a row down."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from typing_extensions import dataclass_transform

from nascout.benchmark.measure import Measure
from nascout.benchmark.standard import read_header
from nascout.benchmark.table_file import NOTATIONS, TableFile, open_table, read_table
from nascout.benchmark.tabular import Tabular
from nascout.errors import ConfigError, DataError
from nascout.registry import Registry
from nascout.space import Architecture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BENCHMARKS", "NOTATIONS", "Columns", "TableBenchmark", "benchmark", "read_table"]

MODULES = (
    "accel_nasbench",
    "any_table",
    "hardware_tables",
    "nasbench101",
    "nasbench101_small",
    "nasbench201",
    "nasbench_macro",
    "nasbench_nlp",
    "nats_bench",
    "nds",
    "transnasbench101",
)

#: Columns by name: a data frame, or a file whose columns are read when they are asked for.
Columns = Mapping[str, Any] | Any


@dataclass(frozen=True)
class TableBenchmark(ABC):
    """A kind of table of networks and what they reached. A subclass says what its columns mean.

    Args:
        space: the space whose notation the architectures are written in.
        accuracy: the column to judge scores by unless another is asked for.

    A file that ``nascout benchmark convert`` wrote says itself what its columns mean.
    """

    space: str
    accuracy: str

    name: ClassVar[str]
    paper: ClassVar[str] = ""
    architectures: ClassVar[int | None] = None
    """How many the benchmark holds."""
    file: ClassVar[str] = ""
    """What to give as path."""
    page: ClassVar[str] = ""
    """Where its authors offer it; nothing is downloaded."""
    licence: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]]
    """Columns that the notation is made of."""
    accuracies: ClassVar[str] = ""
    """Regular expression of the columns that are accuracies: better the higher."""
    canonical_column: ClassVar[str | None] = None
    """The column that is equal for architectures which the benchmark calls isomorphic."""

    @abstractmethod
    def notations(self, table: Columns) -> Iterable[str]:
        """The architecture of each row, in the space's notation."""

    @abstractmethod
    def measure(self, column: str) -> Measure | None:
        """What the numbers of a column are; ``None`` for one that is not offered to queries."""

    def kept(self, table: Columns) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
        """Which rows belong to this benchmark; ``None`` for all."""
        return None

    def canonical(self, architecture: Architecture) -> str:
        """What the canonical column holds for ``architecture``."""
        raise NotImplementedError

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows that count, one per training setting and network; all of them unless said."""
        kept = self.kept(table)
        return table if kept is None else table[kept]

    def open(self, path: str | os.PathLike[str]) -> Tabular:
        """The benchmark in this file; columns are read when they are asked for.

        Args:
            path: Parquet or CSV; a CSV file is read at once.

        Raises:
            DataError: no such file, one that cannot be read, or one without the columns needed.
            IntegrityError: a file in nascout's format whose header was altered.
            ConfigError: a file of another benchmark.
            MissingExtra: a Parquet file, and pyarrow is not installed.
        """
        table = open_table(path)
        documented = read_header(table)
        if documented is None:
            self._check_columns(table)
            named = {column: self.measure(column) for column in table.names}
            found = {c: m for c, m in named.items() if m is not None and c in table.numeric}
            if not found or not len(table):
                raise self._without_numbers(path)
            return Tabular(self, table, found)
        if documented.header.benchmark != self.name:
            raise ConfigError(
                f"{path} holds {documented.header.benchmark}, not {self.name}",
                f"Open it as {documented.header.benchmark}.",
            )
        return Tabular(self, table, documented.measures, documented)

    def read(self, path: str | os.PathLike[str]) -> pd.DataFrame:
        """The column ``architecture`` (notations, not parsed) and the table's accuracy columns.

        Repeats of a training are rows of their own, unless the subclass says otherwise.

        Raises:
            As :meth:`open`.
        """
        if documented := read_header(table := open_table(path)):
            opened = self.open(path)
            accuracies = [c for c, measure in documented.measures.items() if measure.judges]
            return opened.frame()[["architecture", *accuracies]]
        self._check_columns(table)
        frame = self.rows(read_table(path))
        kept = [
            name
            for name in frame.select_dtypes("number")
            if re.fullmatch(self.accuracies, str(name)) and name not in self.needs
        ]
        if not kept or frame.empty:
            raise self._without_numbers(path)
        found = frame[kept].reset_index(drop=True)
        found.insert(0, "architecture", list(self.notations(frame)))
        return found

    def judged_by(self, frame: pd.DataFrame, accuracy: str | None = None) -> str:
        """The name of the accuracy to judge by: ``accuracy``, or the default.

        Raises:
            ConfigError: ``frame`` has no such column; names those it has.
        """
        wanted = accuracy or self.accuracy
        known = [str(name) for name in frame.columns if name != "architecture"]
        if wanted not in known:
            raise ConfigError(
                f"{self.name} has no accuracy {wanted!r}", f"It has {', '.join(known)}."
            )
        return wanted

    def _check_columns(self, table: TableFile) -> None:
        missing = [name for name in self.needs if name not in table]
        if missing:
            raise DataError(
                f"{table.path} has no column {missing[0]!r}, so it is no {self.name} table",
                f"Give another file or benchmark; it has {', '.join(table.names[:9])}.",
            )

    def _without_numbers(self, path: str | os.PathLike[str]) -> DataError:
        return DataError(
            f"{path} holds no accuracies of {self.name}", "Give another file or benchmark."
        )


BENCHMARKS: Registry[type[TableBenchmark]] = Registry(
    "benchmark", modules=tuple(f"nascout.benchmark.{name}" for name in MODULES)
)

T = TypeVar("T", bound=TableBenchmark)


@dataclass_transform(frozen_default=True)
def benchmark(name: str, **about: Any) -> Callable[[type[T]], type[T]]:
    """Register a table: ``@benchmark("name", paper="arXiv:...")`` above its class.

    Args:
        name: what it is asked for by.
        about: ``paper``, ``architectures``, ``file``, ``page``, ``licence``, see the class.
    """

    def register(cls: type[T]) -> type[T]:
        record = dataclass(frozen=True)(cls)
        for key, value in {"name": name, **about}.items():
            setattr(record, key, value)
        BENCHMARKS.add(name, record)
        return record

    return register
