"""ScheduledDropPath against constant drop-path and none, on one cell.

The cell is DARTS_V2's in a small network; the same three seeds (of weights, order, crops and
dropped paths) for each way. Test images are looked at once per network, after its last epoch.
Trainings that the table already holds are not made again.

    OMP_WAIT_POLICY=passive python benchmarks/drop_path.py --data digits --images 400 \
        --channels 8 --cells 3 --epochs 30 --rates 0.2 --threads 1 \
        --out benchmarks/results/drop_path.csv
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import torch

import nascout
from nascout.data import Arrays, load
from nascout.train import DropPath, accuracy, fit, recipes


def main() -> None:
    """Train every way with every seed and write a row per training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits", help="what nascout.data.load takes")
    parser.add_argument("--images", type=int, default=400, help="training and validation images")
    parser.add_argument("--test", type=int, default=2000, help="test images")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--cells", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.2])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/drop_path.csv"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ways: dict[str, DropPath | None] = {"none": None}
    for rate in options.rates:
        ways[f"constant {rate}"] = DropPath(rate, scheduled=False)
        ways[f"scheduled {rate}"] = DropPath(rate)
    rows = read(options.out)
    done = {(row["way"], int(row["seed"])) for row in rows}
    for seed in range(options.seeds):
        for name, way in ways.items():
            if (name, seed) not in done:
                rows.append({"way": name, "seed": seed} | train(options, seed, way))
                print(rows[-1], flush=True)
                write(options.out, rows)
    for name in ways:
        found = [float(row["test_accuracy"]) for row in rows if row["way"] == name]
        spread = f" ± {stdev(found):.2f}" if len(found) > 1 else ""
        print(f"{name:15} test {mean(found):.2f}{spread}")


def train(options: argparse.Namespace, seed: int, way: DropPath | None) -> dict[str, float]:
    """One training from scratch; accuracies in percent."""
    data = load(options.data, flip=options.data != "digits")
    data = replace(data, train=first(data.train, options.images))
    split = data.split()
    space = nascout.space(
        "darts", channels=options.channels, cells=options.cells, input_shape=data.input_shape
    )
    net = nascout.build(space.parse(space.known["darts_v2"]), seed)
    recipe = replace(recipes["shortlist"], epochs=options.epochs, lr=0.05, drop_path=way)
    start = time.perf_counter()
    trained = fit(net, split, recipe, seed=seed)
    assert split.test is not None
    return {
        "train_loss": round(trained.train_loss, 4),
        "val_accuracy": round(trained.val_metric, 2),
        "test_accuracy": round(accuracy(net, first(split.test, options.test), split), 2),
        "seconds": round(time.perf_counter() - start, 1),
    }


def first(arrays: Arrays, n: int) -> Arrays:
    """Its first n images; they are shuffled already."""
    return Arrays(arrays.x[:n], arrays.y[:n])


def read(path: Path) -> list[dict[str, object]]:
    """What an earlier call wrote."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, object]]) -> None:
    """What is there so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
