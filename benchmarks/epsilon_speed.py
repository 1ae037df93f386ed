"""Epsilon: a list of architectures in nascout against one network at a time.

Scores random NAS-Bench-201 cells, all distinct, with one batch of noise. The plain
implementation is what the released code does: build the network, set all weights to a constant,
run it, twice. It is timed on a few of the cells between chunks of the list, so that both sides see
the same machine; building networks and graphs counts on both sides.

    OMP_WAIT_POLICY=passive python benchmarks/epsilon_speed.py --cells 1024 --plain 12 \
        --out benchmarks/results/epsilon_speed.csv
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import statistics
import time
from itertools import islice
from pathlib import Path

import torch
from plain.epsilon import plain_epsilon

import nascout
from nascout.score.at_once import scores_at_once
from nascout.score.card import SCORES


def distinct(space: nascout.Space, count: int) -> list[nascout.Architecture]:
    """That many random architectures of different networks."""
    rng = random.Random(0)
    found: dict[str, nascout.Architecture] = {}
    while len(found) < count:
        one = space.sample(rng)
        found.setdefault(one.digest, space.parse(str(one)))  # without the graph that digests made
    return list(found.values())


def main() -> None:
    """Time both and write a row per turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1024)
    parser.add_argument("--plain", type=int, default=12)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/epsilon_speed.csv"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    space = nascout.space("nasbench201")
    cells = distinct(space, options.cells)
    x = torch.randn(options.batch, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    nascout.score(distinct(space, 4), x, "epsilon")  # warms up
    size = math.ceil(len(cells) / options.plain)
    chunks = [cells[start : start + size] for start in range(0, len(cells), size)]
    start = time.perf_counter()
    scores = scores_at_once(SCORES["epsilon"], cells, x)
    rows = []
    for chunk in chunks:
        values = [one.value for one in islice(scores, len(chunk)) if one is not None]
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        expected = plain_epsilon(nascout.build(space.parse(str(chunk[0]))), x)
        plain = time.perf_counter() - start
        rows.append(
            {
                "cells": len(values),
                "undefined": sum(map(math.isnan, values)),
                "nascout_seconds_per_cell": round(seconds / len(values), 6),
                "plain_seconds_per_cell": round(plain, 4),
                "ratio": round(plain * len(values) / seconds, 1),
                "architecture": str(chunk[0]),
                "nascout_score": values[0],
                "plain_score": expected,
            }
        )
        start = time.perf_counter()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    fast = sum(row["nascout_seconds_per_cell"] * row["cells"] for row in rows) / len(cells)
    slow = statistics.median(row["plain_seconds_per_cell"] for row in rows)
    pairs = [(row["nascout_score"], row["plain_score"]) for row in rows]
    worst = max((abs(a - b) for a, b in pairs if not math.isnan(b)), default=0.0)
    print(f"{len(cells)} cells, batch {options.batch}, {options.threads} threads")
    print(f"plain {slow:.2f} s (median), nascout {1000 * fast:.1f} ms (mean) per cell")
    print(f"times faster: {slow / fast:.0f}; largest difference {worst:.0e}")
    print(f"undefined for one only: {sum(math.isnan(a) != math.isnan(b) for a, b in pairs)}")


if __name__ == "__main__":
    main()
