"""Every method of weight sharing on NAS-Bench-201: what it finds, looked up in the table.

The relaxed network is small (one cell per stage), the images are the digits or the first ones of an
.npz file. What is found is looked up: its accuracy after 200 epochs of the benchmark's own
training. Beside the methods stand one random cell and the best of 100 random cells by the default
score.

    OMP_WAIT_POLICY=passive python benchmarks/weight_sharing.py nasbench201.parquet \
        --data digits --channels 8 --epochs 15 --alpha-lr 0.02 --seeds 3 \
        --csv benchmarks/results/weight_sharing.csv

Rows are appended as they come; the same command goes on where it stopped. CURVES, if given, gets
the probabilities of every epoch.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import nascout
from nascout.benchmark import Benchmark
from nascout.data import Split, as_data
from nascout.data.arrays import Data
from nascout.oneshot import METHODS, share
from nascout.space import SPACES, Architecture, Space

CONTENDERS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "rsps": ("rsps", {"samples": 100}),
    "enas": ("enas", {}),
    "darts, first order": ("darts", {}),
    "darts, second order": ("darts", {"order": 2}),
    "darts, skips": ("darts", {"guard": "skips"}),
    "darts, eigenvalue": ("darts", {"guard": "eigenvalue"}),
    "darts, auxiliary skip": ("darts", {"guard": "auxiliary_skip"}),
    "pc_darts": ("pc_darts", {}),
    "gdas": ("gdas", {}),
    "proxyless": ("proxyless", {}),
}
SCORED = 100  # cells that the training-free search draws


def main() -> None:
    """Run every contender for every seed, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--images", type=int, help="of the training part; all by default")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--alpha-lr", type=float, help="of the gated methods")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="labels of contenders")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--curves", type=Path)
    options = parser.parse_args()
    table = nascout.benchmark("nasbench201", options.table)
    data = as_data(options.data)
    if options.images:
        data = _first(data, options.images)
    space = SPACES["nasbench201"](
        channels=options.channels,
        cells=1,
        classes=len(data.classes),
        input_shape=data.input_shape,
    )
    done = set()
    if options.csv.exists():
        rows = pd.read_csv(options.csv)
        done = set(zip(rows["contender"], rows["seed"], strict=True))
    labels = options.only or [*CONTENDERS, "best of scored", "one random cell"]
    for seed in range(options.seeds):
        for label in labels:
            if (label, seed) not in done:
                start = time.process_time()
                found, watched = _run(label, space, data.split(seed=seed), seed, options)
                row = {
                    "contender": label,
                    "seed": seed,
                    "seconds": round(time.process_time() - start, 1),
                    **_looked_up(table, found),
                    "train_loss": watched,
                    "architecture": str(found),
                }
                frame = pd.DataFrame([row])
                options.csv.parent.mkdir(parents=True, exist_ok=True)
                frame.to_csv(options.csv, mode="a", index=False, header=not options.csv.exists())
    means = pd.read_csv(options.csv).groupby("contender", sort=False)
    shown = ["seconds", "skips", "cifar10_test", "cifar100_test"]
    print(means[shown].agg(["mean", "std"]).round(2).to_string())


def _run(
    label: str, space: Space, split: Split, seed: int, options: argparse.Namespace
) -> tuple[Architecture, float]:
    rng = random.Random(f"{label}/{seed}")
    if label == "one random cell":
        return space.sample(rng), math.nan
    if label == "best of scored":
        cells = [space.sample(rng) for _ in range(SCORED)]
        scores = nascout.score(cells, split.train.x[:64].float(), "independence")
        ok = [(s.value, i) for i, s in enumerate(scores) if s.outcome.value == "ok"]
        return cells[max(ok)[1]], math.nan
    name, knobs = CONTENDERS[label]
    gated = {"alpha_lr": options.alpha_lr} if options.alpha_lr else {}
    own = {k: v for k, v in gated.items() if k in METHODS[name].__dataclass_fields__}
    method = METHODS[name](
        **{"epochs": options.epochs, "batch_size": options.batch, **own, **knobs}
    )
    shared = share(method, space, split, seed=seed, device=options.device)
    if options.curves:
        with options.curves.open("a") as file:
            for epoch in shared.curve:
                content = {"contender": label, "seed": seed, "epoch": epoch.epoch}
                content |= {"weights": epoch.weights, "numbers": epoch.numbers}
                file.write(json.dumps(content) + "\n")
    return shared.architectures[0][0], shared.curve[-1].train_loss


def _looked_up(table: Benchmark, found: Architecture) -> dict[str, float]:
    cell = SPACES["nasbench201"]().parse(str(found))
    return {
        "skips": sum(value == "skip_connect" for value in cell.values),
        "cifar10_test": table.query(cell, dataset="cifar10", split="test", epochs=200),
        "cifar100_test": table.query(cell, dataset="cifar100", split="test", epochs=200),
    }


def _first(data: Data, images: int) -> Data:
    from dataclasses import replace

    return replace(data, train=data.train.take(torch.arange(images)), test=None)


if __name__ == "__main__":
    main()
