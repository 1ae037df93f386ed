"""NASWOT: nascout against a plain implementation of what the released code does.

Both score the same random NAS-Bench-201 cells with the same weights and batch, in turn, in one
process; the ratio is taken cell by cell, since this kind of machine drifts.

    OMP_WAIT_POLICY=passive python benchmarks/naswot_speed.py --cells 12 --threads 2 \
        --out benchmarks/results/naswot_speed.csv
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from plain.naswot import naswot as plain_naswot

import nascout
from nascout.score.naswot import naswot


def main() -> None:
    """Time both and write a row per cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/naswot_speed.csv"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    space = nascout.space("nasbench201")
    rng = random.Random(0)
    x = torch.randn(128, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    rows = []
    for number in range(options.cells + 1):
        arch = space.sample(rng)
        row: dict[str, object] = {"architecture": str(arch)}
        ours = partial(naswot, released=True)
        for name, score in (("nascout", ours), ("plain", plain_naswot)):
            net = nascout.build(arch)
            start = time.perf_counter()
            row[f"{name}_score"] = score(net, x)
            row[f"{name}_seconds"] = round(time.perf_counter() - start, 4)
        if number:  # the first one warms up
            row["ratio"] = round(float(row["plain_seconds"]) / float(row["nascout_seconds"]), 3)
            rows.append(row)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    ratios = sorted(float(row["ratio"]) for row in rows)
    worst = max(
        abs(float(r["nascout_score"]) / float(r["plain_score"]) - 1)
        for r in rows
        if np.isfinite(float(r["plain_score"]))
    )
    print(f"{len(rows)} cells, batch 128, {options.threads} threads, torch {torch.__version__}")
    print(f"times faster: median {statistics.median(ratios):.2f}, {ratios[0]:.2f}-{ratios[-1]:.2f}")
    print(f"largest relative difference of the scores: {worst:.1e}")


if __name__ == "__main__":
    main()
