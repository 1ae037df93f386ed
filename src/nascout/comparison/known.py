"""What is known of every architecture without training it: scores and costs, in a table's order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nascout.benchmark import Benchmark
from nascout.benchmark.bootstrap import Floats
from nascout.benchmark.table import NOTATIONS, read_table
from nascout.errors import ArchitectureError, ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Columns", "Known", "read_known"]

#: A frame or file with a row per architecture, or columns in the benchmark's order.
Known = Any
#: Numbers by data set and name, one per architecture.
Columns = Mapping[str, Mapping[str, Floats]]


def read_known(
    benchmark: Benchmark, known: Known, datasets: tuple[str, ...]
) -> dict[str, dict[str, Floats]]:
    """Columns of numbers by data set and name, each (architectures,) in the benchmark's order.

    Args:
        benchmark: whose order it is.
        known: ``None``; a data frame, or a CSV or Parquet file, with the notation in a column
            ``architecture``, ``arch`` or ``arch_str`` (what is missing is NaN); columns by name in
            the benchmark's order; or any of these by data set.
        datasets: of the comparison.

    Raises:
        DataError: a file that cannot be read, a table that holds none of the architectures.
        ConfigError: columns of another length.
    """
    if isinstance(known, Mapping) and known and set(known) <= set(datasets):
        return {name: _columns(benchmark, known.get(name)) for name in datasets}
    columns = _columns(benchmark, known)
    return dict.fromkeys(datasets, columns)


def _columns(benchmark: Benchmark, known: Known) -> dict[str, Floats]:
    if known is None:
        return {}
    if isinstance(known, str | os.PathLike):
        known = read_table(Path(known))
    if isinstance(known, Mapping):
        found = {str(name): np.asarray(values, dtype=float) for name, values in known.items()}
        rows = np.arange(len(benchmark))
    else:
        found, rows = _by_notation(benchmark, known)
    for name, values in found.items():
        if values.shape != rows.shape:
            raise ConfigError(
                f"{values.size} values of {name!r} for {rows.size} architectures",
                f"Give one per architecture, in the order of {benchmark.name}.",
            )
    return {name: _placed(values, rows, len(benchmark)) for name, values in found.items()}


def _by_notation(benchmark: Benchmark, frame: pd.DataFrame) -> tuple[dict[str, Floats], Any]:
    """The columns of numbers, and which architecture each row is; -1 for none."""
    notation = next((name for name in NOTATIONS if name in frame), None)
    numbers = frame.select_dtypes("number").astype(float)
    found = {str(name): numbers[name].to_numpy() for name in numbers}
    if notation is None:
        return found, np.arange(len(benchmark))
    rows = np.array([_number(benchmark, str(text)) for text in frame[notation]], dtype=int)
    if not (rows >= 0).any():
        raise DataError(
            f"{benchmark.name} holds none of the {len(rows)} known architectures",
            f"Write them like {benchmark.index[0]}",
        )
    return found, rows


def _number(benchmark: Benchmark, text: str) -> int:
    try:
        return benchmark.number(text)
    except (DataError, ArchitectureError):
        return -1


def _placed(values: Floats, rows: Any, count: int) -> Floats:
    placed = np.full(count, np.nan)
    placed[rows[rows >= 0]] = values[rows >= 0]
    return placed
