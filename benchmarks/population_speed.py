"""Many networks at once against one at a time: how many times sooner, side by side.

For each score, blocks of random distinct NAS-Bench-201 cells (C=16, N=5, 32x32) are scored at
once, and between two blocks some of their cells by a plain implementation of what the released
code does (``benchmarks/plain``), in the same process, on the same weights and batch. A block's
ratio is the plain seconds per cell over ours, which include the making of graphs and weights; the
plain ones leave out building the network.

With one thread seconds are those of the processor: on a shared machine the clock also counts what
others take. With more, each side uses them its own way and the clock decides: the plain network
runs on so many threads, ours in so many processes, as ``nascout score --jobs`` does.

    OMP_WAIT_POLICY=passive python benchmarks/population_speed.py --threads 1 \
        --out benchmarks/results/population_speed.csv
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from plain import gradients, nasbench201, naswot
from scipy.stats import spearmanr
from torch import Tensor

import nascout
from nascout.run.scoring import as_worker
from nascout.space import Architecture

Plain = Callable[[torch.nn.Module, Tensor, Tensor], float]


def naswot_once(net: torch.nn.Module, x: Tensor, y: Tensor) -> float:
    """What ours computes: every ReLU counts once."""
    return naswot.naswot(net, x, blocks=False)


# Score, batch, precision of ours, cells per block, the plain way.
ROWS: tuple[tuple[str, int, str, int, Plain], ...] = (
    ("naswot", 128, "float32", 64, lambda net, x, y: naswot.naswot(net, x)),
    ("naswot", 128, "bfloat16", 64, lambda net, x, y: naswot.naswot(net, x)),
    ("synflow", 1, "float32", 256, gradients.synflow),
    ("grad_norm", 64, "float32", 16, gradients.grad_norm),
    ("snip", 64, "float32", 16, gradients.snip),
    ("fisher", 64, "float32", 16, gradients.fisher),
    ("jacob_cov", 64, "float32", 16, gradients.jacob_cov),
)
# Where the released code computes something slightly different: what to compare values with.
VALUES: dict[str, Plain] = {"naswot": naswot_once}


def main() -> None:
    """Time all and write a row per block."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--cells", type=int, help="per block; by default as in ROWS")
    parser.add_argument("--plain", type=int, default=3, help="plain networks per block")
    parser.add_argument("--scores", nargs="*", help="some of the scores only")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/population_speed.csv"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[dict[str, Any]] = []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.threads, mp_context=spawn, initializer=as_worker) as pool:
        for name, n, precision, size, plain in ROWS:
            if not options.scores or name in options.scores:
                found = measured(name, n, precision, size, plain, options, pool)
                rows += found
                write(rows, options.out)
                report(found, options.threads)


def write(rows: list[dict[str, Any]], path: Path) -> None:
    """All rows so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def distinct_cells(count: int, seed: int) -> list[Architecture]:
    """Random cells of different networks, in the order in which a whole space is scored."""
    space = nascout.space("nasbench201", channels=16, cells=5, input_shape=(3, 32, 32))
    rng, found = random.Random(seed), {}
    while len(found) < count:
        cell = space.sample(rng)
        found.setdefault(cell.digest, space.parse(str(cell)))
    return sorted(found.values(), key=lambda cell: cell.values)


def batch(n: int) -> tuple[Tensor, Tensor]:
    """Images and labels."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 3, 32, 32, generator=generator)
    return x, torch.randint(0, 10, (n,), generator=generator)


def scored(name: str, n: int, precision: str, cells: Sequence[Architecture]) -> list[float]:
    """Our values of cells, together."""
    x, y = batch(n)
    found = nascout.score(cells, x.to(getattr(torch, precision)), name, labels=y)
    return [score.value for score in found]


def measured(
    name: str,
    n: int,
    precision: str,
    size: int,
    plain: Plain,
    options: argparse.Namespace,
    pool: Executor,
) -> list[dict[str, Any]]:
    """A row per block; the first block warms up."""
    x, y = batch(n)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    rows = []
    for block in range(options.blocks + 1):
        cells = distinct_cells((options.cells or size) if block else 4, seed=block)
        start = clock()
        if options.threads == 1:
            ours = scored(name, n, precision, cells)
        else:
            share = -(-len(cells) // options.threads)
            parts = [cells[i : i + share] for i in range(0, len(cells), share)]
            done = [pool.submit(scored, name, n, precision, part) for part in parts]
            ours = list(chain.from_iterable(part.result() for part in done))
        seconds = (clock() - start) / len(cells)
        chosen = random.Random(block).sample(range(len(cells)), min(options.plain, len(cells)))
        theirs, plain_seconds = [], []
        for index in chosen:
            built = nascout.build(cells[index])
            net = nasbench201.network(cells[index], built)
            start = clock()
            value = plain(net, x, y)
            plain_seconds.append(clock() - start)
            theirs.append(VALUES[name](built, x, y) if name in VALUES else value)
        pairs = [(ours[i], value) for i, value in zip(chosen, theirs, strict=True)]
        if block:
            rows.append(
                {
                    "score": name,
                    "batch": n,
                    "precision": precision,
                    "threads": options.threads,
                    "cells": len(cells),
                    "ours_ms": round(seconds * 1e3, 2),
                    "plain_ms": round(statistics.mean(plain_seconds) * 1e3, 2),
                    "ratio": round(statistics.mean(plain_seconds) / seconds, 2),
                    "largest_difference": f"{max(abs(a / b - 1) for a, b in pairs):.1e}",
                    "rank_correlation": round(float(spearmanr(pairs).statistic), 3),
                }
            )
    return rows


def report(rows: list[dict[str, Any]], threads: int) -> None:
    """One line per score."""
    ratios = sorted(row["ratio"] for row in rows)
    first = rows[0]
    print(
        f"{first['score']} ({first['precision']}, batch {first['batch']}, {threads} thread(s)): "
        f"{statistics.median(ratios):.1f} times ({ratios[0]:.1f} to {ratios[-1]:.1f}), "
        f"{statistics.median(row['ours_ms'] for row in rows):.1f} ms per cell, largest difference "
        f"{max(float(row['largest_difference']) for row in rows):.1e}",
        flush=True,
    )


if __name__ == "__main__":
    main()
