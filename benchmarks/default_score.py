"""How the default score was chosen: its relatives and the literature's scores on every table.

Each candidate scores the same networks, with the same weights, on the same noise. Small versions of
the networks are scored: fewer channels and pixels than the tables' own, at full depth. Nothing is
fitted; the leave-one-benchmark-out rows take, for each benchmark, the candidate with the best mean
over the others, and say what it reaches on the one left out.

    OMP_WAIT_POLICY=passive python benchmarks/default_score.py --data FOLDER --sample 150 \
        --out benchmarks/results/default_score.csv

FOLDER holds the tables; a missing one is left out. Prints and writes Spearman's rho with its 95 %
bootstrap interval.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from nascout.benchmark import BENCHMARKS
from nascout.benchmark.agreement import agreement
from nascout.errors import UnsupportedNetwork
from nascout.network import build
from nascout.score.card import SCORES
from nascout.score.composite import COMPOSITES
from nascout.score.independence import ZERO, independent_channels, spectra
from nascout.space import SPACES

TRANSFER = ("class_scene__test_top1", "jigsaw__test_top1", "room_layout__test_neg_loss")
#: Benchmark: file, skeleton, accuracies.
TABLES = {
    "nasbench201": (
        "nasbench201.parquet",
        {"channels": 8, "cells": 5, "input_shape": (3, 16, 16)},
        ("c10_test", "c100_test"),
    ),
    "transnasbench101_micro": (
        "transnasbench101.parquet",
        {"channels": 16, "classes": 10, "input_shape": (3, 64, 64)},
        TRANSFER,
    ),
    "transnasbench101_macro": (
        "transnasbench101.parquet",
        {"channels": 16, "classes": 10, "input_shape": (3, 64, 64)},
        TRANSFER,
    ),
    "nasbench_macro": ("nasbench_macro.parquet", {"channels": 16}, ("mean_acc",)),
    "accel_nasbench": (
        "accel_nasbench.parquet",
        {"channels": 16, "classes": 10, "input_shape": (3, 64, 64)},
        ("val_top1",),
    ),
    "nasbench101_small": ("nasbench101_small.parquet", {"channels": 16}, ("test_acc",)),
}
#: Relatives: what one layer adds, from the eigenvalues of its channels' correlation.
LAYERS: dict[str, Callable[[Tensor], float]] = {
    "independence": independent_channels,
    "smallest": lambda s: float(s[0]),
    "channels x smallest": lambda s: float(len(s) * s[0]),
    "share of rank x smallest": lambda s: independent_channels(s) / len(s),
    "harmonic mean": lambda s: _rank(s) * float(1 / (1 / _nonzero(s)).mean() / _nonzero(s).mean()),
    "entropy": lambda s: float(-(s / s.sum() * (s / s.sum()).clamp_min(1e-30).log()).sum()),
    "effective rank": lambda s: float(s.sum() ** 2 / s.square().sum()),
    "layers": lambda s: 1.0,
}
OTHERS = (
    *("params", "macs", "synflow", "naswot", "sign_pattern", "jacob_cov", "nasgraph"),
    "diversity",
)
#: Composites of ranks in the sample.
JOINED = ("scout", "synflow_jacob_params")


def _nonzero(spectrum: Tensor) -> Tensor:
    return spectrum[spectrum > ZERO * spectrum[-1]]


def _rank(spectrum: Tensor) -> int:
    return len(_nonzero(spectrum))


def score_all(name: str, folder: Path, sample: int) -> pd.DataFrame:
    """Every candidate's value, and the accuracies, of ``sample`` networks of a table."""
    file, skeleton, accuracies = TABLES[name]
    benchmark = BENCHMARKS[name]()
    table = benchmark.read(folder / file)
    table = table.iloc[np.random.RandomState(0).permutation(len(table))[:sample]]
    space = SPACES[benchmark.space](**skeleton)
    noise = torch.randn((16, *space.input_shape), generator=torch.Generator().manual_seed(1))
    rows = []
    for _, entry in table.iterrows():
        net = build(space.parse(entry["architecture"]))
        found = [s for s in spectra(net) if len(s)]
        row = {layer: sum(map(adds, found)) for layer, adds in LAYERS.items()}
        for score in OTHERS:
            try:
                row[score] = SCORES[score](net, noise)
            except UnsupportedNetwork:
                row[score] = math.nan
        rows.append(row | {accuracy: float(entry[accuracy]) for accuracy in accuracies})
    values = pd.DataFrame(rows)
    for joined in JOINED:
        values[joined] = COMPOSITES[joined].join(
            {name: values[name].tolist() for name in OTHERS}
            | {"independence": values["independence"].tolist()}
        )
    return values


def correlations(values: pd.DataFrame, name: str) -> pd.DataFrame:
    """Spearman's rho of every candidate with every accuracy of a benchmark."""
    rows = []
    for accuracy in TABLES[name][2]:
        for score in (*LAYERS, *OTHERS, *JOINED):
            found = agreement(values[score].to_numpy(float), values[accuracy].to_numpy(float))
            rho = found.spearman
            rows.append((name, accuracy, score, found.count, rho.value, rho.low, rho.high))
    columns = ["benchmark", "accuracy", "score", "n", "spearman", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def leave_one_out(found: pd.DataFrame) -> pd.DataFrame:
    """For each benchmark, the best candidate on the mean of the others, and its value here.

    A score that cannot read a benchmark's networks ranks them as chance would: 0.
    """
    means = found.groupby(["benchmark", "score"])["spearman"].mean().unstack().fillna(0)
    rows = []
    for name in means.index:
        chosen = means.drop(index=name).mean().idxmax()
        best = means.loc[name].idxmax()
        rows.append((name, chosen, means.loc[name, chosen], best, means.loc[name, best]))
    columns = ["left out", "chosen on the others", "spearman", "best here", "its spearman"]
    return pd.DataFrame(rows, columns=columns)


def main() -> None:
    """Score, correlate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--only", nargs="*", default=list(TABLES), help="benchmarks")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    parts = []
    for name, (file, *_) in TABLES.items():
        if name in options.only and (options.data / file).exists():
            parts.append(correlations(score_all(name, options.data, options.sample), name))
            table = parts[-1].pivot(index="score", columns="accuracy", values="spearman")
            print(name, table.round(3).to_string(), sep="\n", flush=True)
    found = pd.concat(parts)
    found.round(4).to_csv(options.out, index=False)
    left_out = leave_one_out(found)
    left_out.round(4).to_csv(options.out.with_stem(f"{options.out.stem}_left_out"), index=False)
    print(left_out.round(3).to_string())


if __name__ == "__main__":
    main()
