"""How epsilon ranks the NAS-Bench-201 cells that it can score, those that it cannot, and all.

Scores random distinct cells that have a path from input to output (the others are at chance), in
a network of one cell per stage, on real images:

    epsilon           the paper's, float32; NaN where every path passes a convolution
    epsilon_float64   the same in float64, finite on all cells
    epsilon_spatial   another pair of networks: kernels whole, and cut to their centre
    params, macs      of the same networks, the baselines to beat

and ranks them against the accuracy after full training. Intervals: 95 %, bootstrap over cells.

    OMP_WAIT_POLICY=passive python benchmarks/epsilon_variants.py --table nasbench201.parquet \
        --images cifar10.npz --cells 300 --out benchmarks/results/epsilon_variants.csv

The table has the columns arch_str, unique_str, c10_test and c100_test; the images are an array
x_train (n, 32, 32, 3) of bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import bootstrap, kendalltau, spearmanr

import nascout
from nascout.score.counts import macs, params
from nascout.score.epsilon import epsilon
from nascout.score.epsilon_spatial import epsilon_spatial

CHANCE = 10.0
SCORES = {
    "epsilon": epsilon,
    "epsilon_float64": lambda net, x: epsilon(net, x, dtype=torch.float64),
    "epsilon_spatial": epsilon_spatial,
    "params": params,
    "macs": macs,
}


def batch(path: Path, count: int) -> torch.Tensor:
    """The first images, (count, 3, 32, 32), each channel with mean 0 and deviation 1."""
    images = torch.tensor(np.load(path)["x_train"][:count]).permute(0, 3, 1, 2).float()
    deviation, mean = torch.std_mean(images, dim=(0, 2, 3), keepdim=True)
    return (images - mean) / deviation


def row(cells: str, target: str, name: str, score: pd.Series, goal: pd.Series) -> dict:
    """Rank correlation of a score with a goal, over the cells on which the score is finite."""
    finite = np.isfinite(score)
    a, b = score[finite].to_numpy(float), goal[finite].to_numpy(float)
    result = {"cells": cells, "target": target, "score": name, "n": len(score), "finite": len(a)}
    if len(a) < 10:
        return result
    interval = bootstrap(
        (a, b),
        lambda a, b: spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        n_resamples=1000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return result | {
        "spearman": round(spearmanr(a, b).statistic, 3),
        "spearman_low": round(interval.low, 3),
        "spearman_high": round(interval.high, 3),
        "kendall": round(kendalltau(a, b).statistic, 3),
    }


def main() -> None:
    """Score the cells and write a row per set of cells, target and score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--cells", type=int, default=300)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/epsilon_variants.csv"))
    options = parser.parse_args()

    table = pd.read_parquet(options.table).drop_duplicates("unique_str")
    table = table[table["c10_test"] > CHANCE + 1].sample(options.cells, random_state=options.seed)
    x = batch(options.images, options.batch)
    space = nascout.space("nasbench201", channels=16, cells=1)
    scored = []
    for text in table["arch_str"]:
        net = nascout.build(space.parse(text))
        scored.append({name: score(net, x) for name, score in SCORES.items()})
    table = table.join(pd.DataFrame(scored, table.index))

    lost = table["epsilon"].isna()
    sets = {"all": table, "epsilon finite": table[~lost], "epsilon NaN": table[lost]}
    rows = [
        row(cells, target, name, part[name], part[target])
        for cells, part in sets.items()
        for target in ("c10_test", "c100_test")
        for name in SCORES
    ]
    result = pd.DataFrame(rows)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    result.to_csv(options.out, index=False)
    print(result.to_string(index=False))


if __name__ == "__main__":
    main()
