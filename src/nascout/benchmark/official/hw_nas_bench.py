"""HW-NAS-Bench's pickle: lists of latencies and energies by NAS-Bench-201's index."""

from __future__ import annotations

import re
from pathlib import Path

from nascout.benchmark.measure import Measure
from nascout.benchmark.nasbench201 import official_order
from nascout.benchmark.records import Records
from nascout.errors import DataError

__all__ = ["read_hw_nas_bench"]


def read_hw_nas_bench(path: Path) -> Records:
    """The part ``nasbench201`` of ``HW-NAS-Bench-v1_0.pickle``.

    By data set, then by ``DEVICE_latency`` (milliseconds) or ``DEVICE_energy`` (millijoules), a
    list with a number per cell in the official order. The part of FBNet is a table of single
    blocks, and is not read.

    Not verified on the official file itself, only on its form.

    Raises:
        IntegrityError: it asks to run something.
        DataError: a file that is not of this form.
    """
    from nascout.data.restricted_pickle import read_nested_pickle

    cells, records = official_order(), Records()
    try:
        with path.open("rb") as file:
            content = read_nested_pickle(file, path.name)
    except FileNotFoundError:
        raise DataError(f"no file {path}", "Give the official file.") from None
    try:
        for dataset, columns in content["nasbench201"].items():
            for name, values in columns.items():
                found = re.fullmatch(r"(\w+)_(latency|energy)", name)
                if found is None:
                    continue
                is_latency = found[2] == "latency"
                measure = Measure(
                    metric="latency_ms" if is_latency else "energy_mj",
                    dataset=dataset,
                    device=found[1],
                    unit="ms" if is_latency else "mJ",
                    higher_is_better=False,
                )
                for cell, value in zip(cells, values, strict=True):
                    records.put(cell, measure, float(value))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path} does not hold NAS-Bench-201's 15,625 cells ({error!r})",
            "Give the official file.",
        ) from error
    if not len(records):
        raise DataError(f"{path} holds no latencies", "Give the official file.")
    return records
