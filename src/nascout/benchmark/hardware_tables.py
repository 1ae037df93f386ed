"""Latencies per device, as HELP released them for NAS-Bench-201 and FBNet."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from nascout.benchmark.converted import ConvertedOnly
from nascout.benchmark.measure import Measure
from nascout.benchmark.nasbench201 import official_order
from nascout.benchmark.table import Columns, TableBenchmark, benchmark
from nascout.errors import DataError

__all__ = ["FbnetLatency", "HwNasBench", "NasBench201Latency"]


class _Latency(TableBenchmark):
    """A column of milliseconds per device and, on GPUs, batch size.

    A few values on the phone and the Raspberry Pi are near zero: of networks without a path.
    """

    def measure(self, column: str) -> Measure | None:
        """A latency of the device that the column is called by."""
        if column in (*self.needs, "op_idx", "index") or column.startswith("__"):
            return None
        batch = re.search(r"_(\d+)$", column)
        about = f"batch of {batch[1]}" if batch else ""
        return Measure(
            metric="latency_ms", device=column, unit="ms", higher_is_better=False, about=about
        )


@benchmark(
    "nasbench201_latency",
    paper="arXiv:2106.08630",
    architectures=15_625,
    file="a table with the column index (the official one) and a column per device",
    page="github.com/HayeonLee/HELP",
    licence="MIT",
)
class NasBench201Latency(_Latency):
    """Milliseconds of the 15,625 cells of NAS-Bench-201 on each device."""

    space: str = "nasbench201"
    accuracy: str = ""
    needs: ClassVar = ("index",)

    def notations(self, table: Columns) -> Iterable[str]:
        """By NAS-Bench-201's index."""
        cells = official_order()
        indices = [int(i) for i in table["index"]]
        if not all(0 <= i < len(cells) for i in indices):
            raise DataError("the table has indices that no cell has", "Number cells 0 to 15,624.")
        return [cells[i] for i in indices]


@benchmark(
    "fbnet_latency",
    paper="arXiv:2106.08630",
    architectures=5_000,
    file="a table with the column arch_str and a column per device",
    page="github.com/HayeonLee/HELP",
    licence="MIT",
)
class FbnetLatency(_Latency):
    """Milliseconds of networks of the FBNet space on each device."""

    space: str = "fbnet"
    accuracy: str = ""
    needs: ClassVar = ("arch_str",)

    def notations(self, table: Columns) -> Iterable[str]:
        """One block per layer, ``k5_e6|skip|...``."""
        return map(str, table["arch_str"])


@benchmark(
    "hw_nas_bench",
    paper="arXiv:2103.10584",
    architectures=15_625,
    file="HW-NAS-Bench-v1_0.pickle, converted",
    page="github.com/GATECH-EIC/HW-NAS-Bench",
    licence="MIT",
)
class HwNasBench(ConvertedOnly):
    """Latency and energy of NAS-Bench-201's cells on six devices, per data set."""

    space: str = "nasbench201"
    accuracy: str = ""
