"""All of NAS-Bench-201 (C=16, N=5, 32x32) by one score, on all cores, against one cell at a time.

``nascout.rank`` scores the 15,625 cells on noise, from nothing to a sorted table, in as many
processes as there are threads. Before and after it, random cells are scored by a plain
implementation of what the released code does, on so many threads; the ratio is the time that all
15,625 would take in that way over ours. Run again after a stop, ours goes on, and only the last
part is timed: start with no ``--work`` folder.

    OMP_WAIT_POLICY=passive python benchmarks/whole_space.py --score naswot --precision bfloat16 \
        --work /tmp/whole_space --out benchmarks/results/whole_space.csv
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from plain import epsilon, gradients, nasbench201, naswot

import nascout

CELLS = 15_625
PLAIN: dict[str, tuple[int, Callable[..., float]]] = {
    "naswot": (128, lambda net, x, y: naswot.naswot(net, x)),
    "epsilon": (256, lambda net, x, y: epsilon.plain_epsilon(net, x)),
    "synflow": (1, gradients.synflow),
}


def main() -> None:
    """Rank the space and add a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--score", choices=PLAIN, default="naswot")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plain", type=int, default=3, help="plain cells before, and after")
    parser.add_argument("--work", type=Path, default=Path("/tmp/whole_space"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/whole_space.csv"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    batch, plain = PLAIN[options.score]
    images = 2 * batch + 40  # a part of which is held out
    x = torch.randn(images, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    y = torch.arange(images) % 10
    seconds = timed(plain, x[:batch], y[:batch], seed=1, count=options.plain)
    start = time.perf_counter()
    table = nascout.rank(
        "nasbench201",
        options.score,
        data=(x, y),
        batch=batch,
        space_options={"channels": 16, "cells": 5},
        jobs=options.threads,
        precision=options.precision,
        out=options.work / f"{options.score}_{options.precision}.csv",
        progress=False,
    )
    ours = time.perf_counter() - start
    seconds += timed(plain, x[:batch], y[:batch], seed=2, count=options.plain)
    row = {
        "score": options.score,
        "precision": options.precision,
        "batch": batch,
        "threads": options.threads,
        "cells": len(table),
        "distinct": table["digest"].nunique(),
        "ours_s": round(ours, 1),
        "plain_s_per_cell": round(statistics.mean(seconds), 3),
        "ratio": round(CELLS * statistics.mean(seconds) / ours, 1),
    }
    append(row, options.out)
    print(row)


def timed(plain: Callable[..., float], x: torch.Tensor, y: torch.Tensor, seed: int, count: int):
    """Seconds of random cells, each by itself, without the building of its network."""
    space, rng, seconds = nascout.space("nasbench201"), random.Random(seed), []
    for number in range(count + 1):
        cell = space.sample(rng)
        net = nasbench201.network(cell, nascout.build(cell))
        start = time.perf_counter()
        plain(net, x, y)
        if number:  # the first one warms up
            seconds.append(time.perf_counter() - start)
    return seconds


def append(row: dict[str, object], path: Path) -> None:
    """Add a row to a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row.keys())
        if new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
