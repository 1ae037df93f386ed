"""Accel-NASBench's records: a JSON file per training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nascout.benchmark.accel_nasbench import AccelNasBenchTable
from nascout.benchmark.measure import MEAN, Measure
from nascout.benchmark.official.json_files import read_json_files
from nascout.benchmark.records import Records
from nascout.errors import DataError

__all__ = ["read_accel_nasbench"]


def read_accel_nasbench(path: Path) -> Records:
    """Every record in a folder, in the order of file names.

    A record is nested; its levels joined by underscores are the columns of the plain table:
    ``block0_e``, ``val_top1``, ``throughput_a100_mean``. Configurations that were trained more
    than once have their trainings numbered as seeds from 0.

    The names are those of a table made from the official records, which could not be verified
    themselves: a record without them is refused.

    Raises:
        DataError: no records, or one without its configuration.
    """
    table, records = AccelNasBenchTable(), Records()
    trainings: dict[str, int] = {}
    for name, content in read_json_files(path):
        flat = dict(_flat(content)) if isinstance(content, Mapping) else {}
        if any(column not in flat for column in table.needs):
            raise DataError(f"{name} describes no network", "Give the official records only.")
        (architecture,) = table.notations({column: [flat[column]] for column in table.needs})
        seed = trainings[architecture] = trainings.get(architecture, -1) + 1
        for column, value in flat.items():
            measure = table.measure(column)
            if measure is not None and isinstance(value, int | float):
                records.put(architecture, *_number(measure, seed, value))
    return records


def _number(measure: Measure, seed: int, value: float) -> tuple[Measure, float]:
    """With the seed of one training, and the value in its unit."""
    plain = replace(measure, seed=seed if measure.seed == MEAN else None, scale=1.0)
    return plain, value * measure.scale


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}_")
        else:
            yield f"{prefix}{key}", value
