"""Every method of weight sharing on NAS-Bench-201: what it finds, looked up in the table.

The relaxed network is small (one cell per stage), the images are the digits or the first ones of an
.npz file. What is found is looked up: its accuracy after 200 epochs of the benchmark's own
training. Beside the methods stand one random cell, the best of 10 random cells by their looked-up
validation accuracy after 12 epochs (120 epochs of training that cost nothing here), and the best
of 100 random cells by the default score.

    OMP_WAIT_POLICY=passive python benchmarks/weight_sharing.py nasbench201.parquet \
        --data cifar10.npz --image-size 16 --images 2000 --batch 32 --epochs 24 --alpha-lr 0.01 \
        --csv benchmarks/results/weight_sharing_cifar10.csv \
        --curves benchmarks/results/weight_sharing_curves.csv

DARTS's guards that only stop the search (``skips``, ``eigenvalue``) judge the curve of one and the
same run without a guard: their rows cost the epochs up to where they stop it. CURVES gets, for
every epoch, the mean probability of every operation, how many skips would be derived, and the
eigenvalue where it is measured.

Rows are appended as they come; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import nascout
from nascout.benchmark import Benchmark
from nascout.data import Split, as_data
from nascout.data.arrays import Data
from nascout.oneshot import METHODS, share
from nascout.oneshot.guards import GUARDS
from nascout.oneshot.learner import SharedEpoch
from nascout.space import SPACES, Architecture, Space

BASELINES = ("one random cell", "best of 10 trained", "best of 100 scored")
FIRST_ORDER = "darts, first order"
CONTENDERS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "rsps": ("rsps", {"samples": 100}),
    "enas": ("enas", {"controller_steps": 10}),
    FIRST_ORDER: ("darts", {"eigenvalue": True}),
    "darts, auxiliary skip": ("darts", {"guard": "auxiliary_skip"}),
    "pc_darts": ("pc_darts", {}),
    "gdas": ("gdas", {}),
    "proxyless": ("proxyless", {}),
    "darts, second order": ("darts", {"order": 2}),
}
STOPPED = {"darts, skips": "skips", "darts, eigenvalue": "eigenvalue"}
SCORED = 100  # cells that the training-free search draws
TRAINED = 10  # those of random search


def main() -> None:
    """Run every contender for every seed, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--images", type=int, help="of the training part; all by default")
    parser.add_argument("--image-size", type=int, help="resize to; as they are by default")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--cells", type=int, default=1, help="per stage")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--alpha-lr", type=float, help="of the gated methods")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="labels of contenders")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--curves", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = nascout.benchmark("nasbench201", options.table)
    data = as_data(options.data, image_size=options.image_size)
    if options.images:
        data = _first(data, options.images)
    space = SPACES["nasbench201"](
        channels=options.channels,
        cells=options.cells,
        classes=len(data.classes),
        input_shape=data.input_shape,
    )
    done = set()
    if options.csv.exists():
        rows = pd.read_csv(options.csv)
        done = set(zip(rows["contender"], rows["seed"], strict=True))
    for seed in range(options.seeds):
        for label in options.only or [*BASELINES, *CONTENDERS]:
            if (label, seed) not in done:
                start = time.process_time()
                for name, cell, part in _run(label, space, data.split(seed=seed), seed, options):
                    seconds = round((time.process_time() - start) * part, 1)
                    row = {"contender": name, "seed": seed, "seconds": seconds}
                    _append(options.csv, [row | _looked_up(table, cell)])
    means = pd.read_csv(options.csv).groupby("contender", sort=False)
    shown = ["seconds", "skips", "cifar10_test", "cifar100_test"]
    print(means[shown].agg(["mean", "std"]).round(2).to_string())


def _run(
    label: str, space: Space, split: Split, seed: int, options: argparse.Namespace
) -> list[tuple[str, Architecture, float]]:
    """Names, what was found, and the part of the time that it took."""
    if label in BASELINES:
        return [(label, _baseline(label, space, split, seed, options), 1.0)]
    name, knobs = CONTENDERS[label]
    fields = METHODS[name].__dataclass_fields__
    gated = {"alpha_lr": options.alpha_lr} if options.alpha_lr and "alpha_lr" in fields else {}
    method = METHODS[name](epochs=options.epochs, batch_size=options.batch, **gated, **knobs)
    shared = share(method, space, split, seed=seed, device=options.device)
    if options.curves and shared.curve[-1].weights:
        _append(options.curves, [_point(label, seed, space, epoch) for epoch in shared.curve])
    found = [(label, shared.architectures[0][0], 1.0)]
    if label == FIRST_ORDER:
        found += [(name, *_stopped(guard, space, shared.curve)) for name, guard in STOPPED.items()]
    return found


def _baseline(
    label: str, space: Space, split: Split, seed: int, options: argparse.Namespace
) -> Architecture:
    rng = random.Random(f"{label}/{seed}")
    if label == "one random cell":
        return space.sample(rng)
    if label == "best of 10 trained":
        table = nascout.benchmark("nasbench201", options.table)
        cells = [space.sample(rng) for _ in range(TRAINED)]
        full = SPACES["nasbench201"]()
        asked = {"dataset": "cifar10-valid", "split": "val", "epochs": 12}
        return max(cells, key=lambda cell: table.query(full.parse(str(cell)), **asked))
    cells = [space.sample(rng) for _ in range(SCORED)]
    scores = nascout.score(cells, split.train.x[:64].float(), "independence")
    ok = [(score.value, i) for i, score in enumerate(scores) if score.outcome.value == "ok"]
    return cells[max(ok)[1]]


def _stopped(name: str, space: Space, curve: Sequence[SharedEpoch]) -> tuple[Architecture, float]:
    """What a guard that only stops makes of a run, and the part of the epochs that it lets pass."""
    guard = GUARDS[name](space.relaxation())
    for passed, epoch in enumerate(curve, start=1):
        guard.after_epoch(epoch.weights, epoch.numbers["eigenvalue"])
        if guard.stopped is not None:
            return guard.derived(guard.stopped), passed / len(curve)
    return guard.derived(curve[-1].weights), 1.0


def _point(label: str, seed: int, space: Space, epoch: SharedEpoch) -> dict[str, object]:
    """Probabilities of the operations, a mean over the edges; and what is watched."""
    options = space.decisions[0].options
    means = np.mean([epoch.weights[edge.name] for edge in space.decisions], axis=0)
    point = {"contender": label, "seed": seed, "epoch": epoch.epoch}
    point |= {name: round(float(mean), 4) for name, mean in zip(options, means, strict=True)}
    watched = {name: epoch.numbers.get(name) for name in ("skips", "eigenvalue")}
    return point | watched | {"train_loss": round(epoch.train_loss, 4)}


def _append(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, mode="a", index=False, header=not path.exists())


def _looked_up(table: Benchmark, found: Architecture) -> dict[str, object]:
    cell = SPACES["nasbench201"]().parse(str(found))
    return {
        "skips": sum(value == "skip_connect" for value in cell.values),
        "cifar10_test": table.query(cell, dataset="cifar10", split="test", epochs=200),
        "cifar100_test": table.query(cell, dataset="cifar100", split="test", epochs=200),
        "architecture": str(found),
    }


def _first(data: Data, images: int) -> Data:
    return replace(data, train=data.train.take(torch.arange(images)), test=None)


if __name__ == "__main__":
    main()
