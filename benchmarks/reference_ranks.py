"""Whether our scores rank NAS-Bench-201 cells as other people's published values do.

At the benchmark's full size, on a seeded sample of cells. The reference values are one draw of
weights and images each, so no agreement better than that of two of our own seeds can be expected:
``own_seeds`` is that ceiling, ``spearman`` the mean over our two seeds of the correlation with the
reference, ``below`` how far that is under the ceiling, resampled on the same cells. The reference
is met within seed noise where the interval of ``below`` reaches zero. Intervals: 95 %, bootstrap.

NAS-Bench-Suite-Zero's values are from batches of 32 images. Its failures (-1e8, NaN) are left out.

    OMP_WAIT_POLICY=passive python benchmarks/reference_ranks.py --table nasbench201.parquet \
        --suite nasbench201_reference_scores.parquet --images cifar10.npz --cells 24 \
        --out benchmarks/results/reference_ranks.csv
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import nascout
from nascout.benchmark.agreement import spearman
from nascout.benchmark.bootstrap import draw_counts, estimate
from nascout.data import load
from nascout.score import SCORES
from nascout.score.fisher import fisher
from nascout.score.zen import zen
from nascout.space.nasbench201 import NasBench201

SEEDS = (0, 1)
DATASETS = {"cifar10": "c10", "cifar100": "c100"}  # what columns of the table end with
FAILED = -1e8
COUNTS = ("params", "macs")


@dataclass(frozen=True)
class Comparison:
    """One of our scores and the published columns that should rank as it does.

    Args:
        columns: with ``{}`` for the data set.
        cells: how many cells of the sample are scored, if not as many as ``--cells`` says.
        batch: images; 0 for a score without, which is compared on both data sets.
        function: of the network, the images and the labels, where it is not the score as it is.
    """

    score: str
    columns: tuple[str, ...]
    cells: int = 0
    batch: int = 0
    function: Callable[..., float] | None = None

    @property
    def key(self) -> str:
        """The score and its batch."""
        return f"{self.score}, batch {self.batch}" if self.batch else self.score


COMPARISONS = (
    Comparison("params", ("params", "params_{}"), 300),
    Comparison("macs", ("flops", "flops_m_api_{}"), 300),
    Comparison("l2_norm", ("l2_norm",), 60),
    Comparison("synflow", ("synflow",), 60),
    Comparison("naswot", ("nwot",), batch=32),
    Comparison("jacob_cov", ("jacov",), batch=32),
    Comparison("jacob_cov", ("naswot_v1_c10",), batch=64),
    Comparison("epe_nas", ("epe_nas",), batch=32),
    Comparison("grad_norm", ("grad_norm",), batch=32),
    Comparison("snip", ("snip",), batch=32),
    Comparison("fisher", ("fisher",), batch=32, function=partial(fisher, released=True)),
    Comparison("plain", ("plain",), batch=32),
    Comparison("grasp", ("grasp",), 16, 32),
    Comparison("epsilon", ("epsinas_c10",), batch=64),
    Comparison("zen", ("zen_c10",), 16, 16, partial(zen, repeats=4)),
)


def measured(
    space: NasBench201, text: str, seed: int, wanted: list[Comparison], x: Tensor, y: Tensor
) -> dict[str, float]:
    """The wanted scores of one cell, weights and batch of one seed; its counts in any case."""
    cell = space.parse(text)
    cost = nascout.cost(cell)
    values = {"params": float(cost.params), "macs": float(cost.macs)}
    rest = [one for one in wanted if one.score not in COUNTS]
    if rest:  # channels last is twice as fast
        net = nascout.build(cell, seed).to(memory_format=torch.channels_last)
    for one in rest:
        card = SCORES[one.score]
        function = one.function or card.function
        if one.score == "zen":
            function = partial(function, seed=seed)
        values[one.key] = card.call(function, net, x[: one.batch or None], y[: one.batch or None])
    return values


def row(
    one: Comparison, column: str, ours: list[pd.Series], theirs: pd.Series
) -> dict[str, object]:
    """How the ranks of two seeds agree with the reference and with each other."""
    sides = [np.asarray(side, float) for side in (*ours, theirs.where(theirs > FAILED))]
    finite = np.isfinite(sides).all(axis=0)
    first, second, reference = (side[finite] for side in sides)
    counts = draw_counts(len(reference), 1000, seed=0)
    met = (spearman(first, reference, counts) + spearman(second, reference, counts)) / 2
    own = spearman(first, second, counts)
    found, below = estimate(met), estimate(own - met)
    return {
        "score": one.score,
        "reference": column,
        "batch": one.batch or "",
        "n": len(reference),
        "spearman": round(found.value, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "own_seeds": round(float(own[0]), 4),
        "below": round(below.value, 4),
        "below_low": round(below.low, 4),
        "below_high": round(below.high, 4),
    }


def main() -> None:
    """Score the sample, and write a row per score, reference column and data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True, help="all cells, with three scores")
    parser.add_argument("--suite", type=Path, required=True, help="NAS-Bench-Suite-Zero's scores")
    parser.add_argument("--images", type=Path, required=True, help="an .npz file of CIFAR-10")
    parser.add_argument("--cells", type=int, default=40, help="for most scores")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/reference_ranks.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, start, rows = load(str(options.images)), time.perf_counter(), []
    batches = [
        (x.contiguous(memory_format=torch.channels_last), y)
        for x, y in (data.batch(64, seed) for seed in SEEDS)
    ]
    table = pd.read_parquet(options.table).drop(columns="index")
    for dataset, suite in pd.read_parquet(options.suite).groupby("dataset"):
        cells = suite.merge(table, on="arch_str").sort_values("index")
        cells = cells.sample(frac=1, random_state=0)
        space = NasBench201(classes=10 if dataset == "cifar10" else 100)
        here = [
            replace(one, cells=one.cells or options.cells)
            for one in COMPARISONS
            if dataset == "cifar10" or not one.batch
        ]
        cells = cells.head(max(one.cells for one in here))
        ours = [
            pd.DataFrame(
                measured(space, text, seed, [c for c in here if place < c.cells], *batches[seed])
                for place, text in enumerate(cells["arch_str"])
            )
            for seed in SEEDS
        ]
        for one in here:
            scored = [frame[one.key].head(one.cells) for frame in ours]
            for column in (pattern.format(DATASETS[dataset]) for pattern in one.columns):
                theirs = cells[column].head(one.cells)
                rows.append({"dataset": dataset} | row(one, column, scored, theirs))
    result = pd.DataFrame(rows)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    result.to_csv(options.out, index=False)
    print(result.to_string(index=False))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
