"""How far NASWOT of many networks is from what the machine can do.

Operations and bytes are counted on the merged program: two floating-point operations per MAC of a
convolution, and every tensor read once by each of its readers and written once. The peaks are
measured beside it: a large matrix product in the same precision, and adding two maps of 1 MB,
which stay in the cache, and of 64 MB, which do not. Seconds are those of the processor; each
number is the best of several.

    OMP_WAIT_POLICY=passive python benchmarks/population_limit.py --cells 32 \
        --out benchmarks/results/population_limit.csv
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path

import torch
from population_speed import distinct_cells

import nascout
from nascout.graph.merged import Merged, merge
from nascout.graph.ops import Conv2d

BATCH = 128


def main() -> None:
    """Count, measure, and write a row per precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=32)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/population_limit.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row(options.cells, precision) for precision in (torch.float32, torch.bfloat16)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    for found in rows:
        print(", ".join(f"{name} {value}" for name, value in found.items()))


def row(count: int, precision: torch.dtype) -> dict[str, object]:
    """What is done for each cell, how fast it could be done, and how long it takes."""
    cells = distinct_cells(count, seed=1)
    merged = merge([cell.graph() for cell in cells])
    flops = 2 * BATCH * sum(convolution_macs(merged)) / count
    size = precision.itemsize
    moved = BATCH * size * sum(numbers_moved(merged)) / count
    flops_per_s, cached, streamed = peaks(precision)
    x = torch.randn(BATCH, 3, 32, 32).to(precision)
    # Copies: an architecture keeps its graph.
    copies = (list(map(replace, cells)) for _ in range(3))
    seconds = best(lambda: nascout.score(next(copies), x, "naswot"), repeats=2) / count
    return {
        "precision": str(precision).removeprefix("torch."),
        "gflop": round(flops / 1e9, 2),
        "gbyte": round(moved / 1e9, 3),
        "peak_gflop_per_s": round(flops_per_s / 1e9),
        "cached_gbyte_per_s": round(cached / 1e9, 1),
        "streamed_gbyte_per_s": round(streamed / 1e9, 1),
        "ms_by_operations": round(1e3 * flops / flops_per_s, 1),
        "ms_by_bytes_in_cache": round(1e3 * moved / cached, 1),
        "ms_by_bytes_streamed": round(1e3 * moved / streamed, 1),
        "ms_measured": round(1e3 * seconds, 1),
        "fraction_of_limit": round((flops / flops_per_s + moved / cached) / seconds, 2),
    }


def convolution_macs(merged: Merged) -> list[int]:
    """Per sample, of every convolution."""
    return [
        slot.op.macs(*merged.input_shapes(index))
        for index, slot in enumerate(merged.slots)
        if isinstance(slot.op, Conv2d)
    ]


def numbers_moved(merged: Merged) -> list[int]:
    """Per sample, what each slot reads and writes."""
    return [
        prod(slot.shape) + sum(map(prod, merged.input_shapes(index)))
        for index, slot in enumerate(merged.slots)
    ]


def peaks(precision: torch.dtype) -> tuple[float, float, float]:
    """Operations per second of a matrix product; bytes per second of a sum in and out of cache."""
    a = torch.randn(1024, 1024).to(precision)
    product = best(lambda: a @ a, repeats=20)
    rates = []
    for length in (2**20, 2**26):
        one, other = torch.randn(2, length // precision.itemsize).to(precision)
        seconds = best(lambda one=one, other=other: one.add_(other), repeats=20)
        rates.append(3 * length / seconds)
    return 2 * 1024**3 / product, rates[0], rates[1]


def best(function: Callable[[], object], repeats: int) -> float:
    """The least processor time of several calls."""
    function()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        found.append(time.process_time() - start)
    return min(found)


if __name__ == "__main__":
    main()
