"""Do scores in bfloat16 rank networks as in float32? Rank correlation, score by score.

Random distinct NAS-Bench-201 cells (C=16, 32x32; --per-stage cells in each stage), scored at once
in both precisions on one batch. A score that is not finite in one of them counts in neither.

    OMP_WAIT_POLICY=passive python benchmarks/precision_agreement.py --cells 64 --per-stage 1 \
        --out benchmarks/results/precision_agreement.csv
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import torch
from population_speed import distinct_cells
from scipy.stats import kendalltau, spearmanr

import nascout
from nascout.space import SPACES

SCORES = (
    "naswot",
    "linear_regions",
    "independence",
    "synflow",
    "grad_norm",
    "snip",
    "fisher",
    "zico",
    "jacob_cov",
)


def main() -> None:
    """Score, compare, and write a row per score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=64)
    parser.add_argument("--per-stage", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--scores", nargs="*", default=SCORES)
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/precision_agreement.csv")
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = SPACES["nasbench201"](cells=options.per_stage)
    cells = [space.parse(str(cell)) for cell in distinct_cells(options.cells, seed=0)]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(options.batch, 3, 32, 32, generator=generator)
    y = torch.randint(0, 10, (options.batch,), generator=generator)
    rows = []
    for name in options.scores:
        exact, rough = (
            [score.value for score in nascout.score(list(map(replace, cells)), x_, name, labels=y)]
            for x_ in (x, x.bfloat16())
        )
        pairs = torch.tensor([exact, rough], dtype=torch.float64).T
        pairs = pairs[pairs.isfinite().all(1)]
        rows.append(
            {
                "score": name,
                "cells_per_stage": options.per_stage,
                "batch": options.batch,
                "networks": len(pairs),
                "spearman": round(float(spearmanr(pairs).statistic), 5),
                "kendall": round(float(kendalltau(pairs[:, 0], pairs[:, 1]).statistic), 4),
            }
        )
        print(rows[-1], flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
