"""A benchmark that is a table: one row per trained network, CSV or Parquet, read-only."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from typing_extensions import dataclass_transform

from nascout.errors import ConfigError, DataError, MissingExtra
from nascout.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BENCHMARKS", "NOTATIONS", "TableBenchmark", "benchmark", "read_table"]

MODULES = (
    "accel_nasbench",
    "any_table",
    "nasbench101_small",
    "nasbench201",
    "nasbench_macro",
    "transnasbench101",
)


#: Columns that hold notations, which may look like numbers: 02012100.
NOTATIONS = ("architecture", "arch", "arch_str")


@dataclass(frozen=True)
class TableBenchmark(ABC):
    """A table of networks and their accuracies. A subclass says what its columns mean.

    Args:
        space: the space whose notation the architectures are written in.
        accuracy: the column to judge by unless another is asked for.

    Every accuracy is better the higher it is; columns of losses are not offered.
    """

    space: str
    accuracy: str

    name: ClassVar[str]
    paper: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]]
    """Columns that the notation is made of."""
    accuracies: ClassVar[str]
    """Regular expression of the columns that are accuracies."""

    @abstractmethod
    def notations(self, table: pd.DataFrame) -> Iterable[str]:
        """The architecture of each row, in the space's notation."""

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows that count, one per training setting and network; all of them unless said."""
        return table

    def read(self, path: str | os.PathLike[str]) -> pd.DataFrame:
        """The column ``architecture`` (notations, not parsed) and the table's accuracy columns.

        Raises:
            DataError: no such file, one that cannot be read, or one without the columns needed.
            MissingExtra: a Parquet file, and pyarrow is not installed.
        """
        table = read_table(path)
        missing = [name for name in self.needs if name not in table]
        if missing:
            raise DataError(
                f"{path} has no column {missing[0]!r}, so it is no {self.name} table",
                f"Give another file or benchmark; it has {', '.join(map(str, table.columns[:9]))}.",
            )
        table = self.rows(table)
        kept = [
            name
            for name in table.select_dtypes("number")
            if re.fullmatch(self.accuracies, str(name)) and name not in self.needs
        ]
        if not kept or table.empty:
            raise DataError(
                f"{path} holds no accuracies of {self.name}", "Give another file or benchmark."
            )
        frame = table[kept].reset_index(drop=True)
        frame.insert(0, "architecture", list(self.notations(table)))
        return frame

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
        try:
            import pyarrow  # noqa: F401 - pandas names no extra where it is missing
        except ImportError:
            raise MissingExtra("reading Parquet", "parquet") from None
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise DataError(f"no file {path}", "Check the path; nascout downloads nothing.") from None
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"cannot read {path} ({reason})", "Give a CSV file, or one in Parquet's format."
        ) from error


BENCHMARKS: Registry[type[TableBenchmark]] = Registry(
    "benchmark", modules=tuple(f"nascout.benchmark.{name}" for name in MODULES)
)

T = TypeVar("T", bound=TableBenchmark)


@dataclass_transform(frozen_default=True)
def benchmark(name: str, *, paper: str = "") -> Callable[[type[T]], type[T]]:
    """Register a table: ``@benchmark("name", paper="arXiv:...")`` above its class."""

    def register(cls: type[T]) -> type[T]:
        record = dataclass(frozen=True)(cls)
        record.name, record.paper = name, paper
        BENCHMARKS.add(name, record)
        return record

    return register
