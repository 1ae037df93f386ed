"""Files of benchmarks: converting official ones, and what a converted one says about itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nascout.benchmark.official.convert import convert
from nascout.benchmark.standard import read_header
from nascout.benchmark.table_file import open_table
from nascout.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["convert", "describe"]


def describe(path: str | os.PathLike[str]) -> tuple[dict[str, Any], pd.DataFrame]:
    """Where a converted file came from, and a row per column: what its numbers are.

    Raises:
        DataError: a file that is not in nascout's format.
        IntegrityError: one whose description was altered.
        MissingExtra: pyarrow is not installed.
    """
    import pandas as pd

    table = open_table(path)
    documented = read_header(table)
    if documented is None:
        raise DataError(
            f"{path} does not say what its columns are",
            "Open a plain table with nascout.benchmark(name, path).",
        )
    about = {**vars(documented.header), "architectures": len(table)}
    rows = [
        {"column": name, **measure.coordinates, "unit": measure.unit, "about": measure.about}
        for name, measure in documented.measures.items()
    ]
    return about, pd.DataFrame(rows, dtype=object)
