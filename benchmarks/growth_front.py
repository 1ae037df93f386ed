"""The front of a grown gallery against three other ways to spend the same training, on digits.

Compute is counted in multiply-adds of forward passes: epochs x images x MACs, candidates included.
Every contender may spend what growing spent (the first training of the model included):

- ``grow``: nascout.grow from a small CNN.
- ``longer``: the same CNN, trained once for as long.
- ``random additions``: the same loop, the same places, but what is added is drawn at random; what
  the candidates would have cost goes into more children.
- ``training-free``: random NAS-Bench-201 cells on a small skeleton, scored without training; the
  best under several bounds on MACs are trained from scratch with equal shares of the compute.

The area under a front is the mean, over log MACs from 1.5 to 10 times those of the CNN, of the
accuracy of the best model (by validation) that costs no more. (Below, there are few cells.) It is
given for validation, which chose, and for test, which nobody saw.

    OMP_WAIT_POLICY=passive python benchmarks/growth_front.py --seeds 3 --images 500 \
        --children 4 --out benchmarks/results/growth_front.csv

Rows are appended as they come; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import random
import tempfile
import time
from dataclasses import dataclass, replace
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import nascout
from nascout.data import Data, Split, load
from nascout.growth import Addition, add, attach, trace
from nascout.growth.hull import sample_petridish
from nascout.growth.operations import DEFAULTS
from nascout.network.cost import measured_cost
from nascout.run.growth.plan import GROWTH, GrowthPlan
from nascout.run.growth.workshop import Workshop
from nascout.train import accuracy, fit

CONTENDERS = ("grow", "longer", "random additions", "training-free")
X = torch.zeros(2, 1, 8, 8)
BOUNDS = (1.5, 3.0, 5.0, 10.0)  # times the MACs of the CNN
SCORED = 60


class Small(nn.Module):
    """A CNN with two skips."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in "ab")
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in "ab")
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (n, 1, 8, 8)."""
        x = self.pool(self.stem(x).relu())
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + norm(conv(x)).relu()
        return self.head(x.mean((2, 3)))


def small(seed: int) -> Small:
    """Its weights are a function of the seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Small()


@dataclass(frozen=True)
class Point:
    """A trained model."""

    macs: float
    val: float
    test: float


@dataclass(frozen=True)
class Setting:
    """What all contenders share."""

    data: Data
    split: Split
    seed: int
    parent_epochs: int
    candidate_epochs: int
    child_epochs: int
    children: int

    @property
    def images(self) -> int:
        """In the training part."""
        return len(self.split.train)

    @property
    def name(self) -> str:
        """Images, children, and epochs of the parent, of candidates and of a child."""
        epochs = f"{self.parent_epochs}/{self.candidate_epochs}/{self.child_epochs}"
        return f"{len(self.data.train)} images, {self.children} children, epochs {epochs}"

    def price(self, net: nn.Module, epochs: float) -> float:
        """Multiply-adds of training ``net``: what runs in training counts, candidates too."""
        counter = FlopCounterMode(display=False)
        with counter:
            net.train()(X)
        return counter.get_total_flops() / 2 / len(X) * self.images * epochs

    def train(self, net: nn.Module, epochs: int, seed: int) -> Point:
        """Train and measure."""
        val = fit(net, self.split, GROWTH, epochs=max(1, epochs), seed=seed).val_metric
        macs = measured_cost(net, X[:1]).macs
        return Point(macs, val, accuracy(net, self.split.test, self.split))


def grow(setting: Setting) -> tuple[list[Point], float]:
    """Petridish, and what it spent."""
    with tempfile.TemporaryDirectory() as folder:
        run = nascout.grow(
            small(setting.seed),
            setting.data,
            out=folder,
            budget=setting.children,
            parent_epochs=setting.parent_epochs,
            candidate_epochs=setting.candidate_epochs,
            child_epochs=setting.child_epochs,
            seed=setting.seed,
            progress=False,
        )
        family = nascout.GrownRun(folder, model=small(setting.seed)).gallery()
        plan = GrowthPlan(seed=setting.seed)
        workshop = Workshop(plan, Small, (X,), (), setting.split, run.folder, "cpu")
        spent = setting.price(family[0].build(), setting.parent_epochs)
        for job in family.jobs:
            if job.kind == "candidates":
                parent = family[job.parent].build()
                searched = attach(parent, workshop.groups(parent, job.seed), seed=job.seed)
                spent += setting.price(searched, setting.candidate_epochs)
            elif job.kind == "child" and job.outcome == "ok":
                spent += setting.price(family[job.model].build(), setting.child_epochs)
        points = []
        for member in family.trained:
            test = accuracy(member.build(), setting.split.test, setting.split)
            values = member.model.values
            points.append(Point(values["macs"], values["val_accuracy"], test))
    return points, spent


def longer(setting: Setting, budget: float) -> tuple[list[Point], float]:
    """One training of the first model."""
    net = small(setting.seed)
    epochs = int(budget / setting.price(net, 1))
    return [setting.train(net, epochs, setting.seed)], setting.price(net, epochs)


def random_additions(setting: Setting, budget: float) -> tuple[list[Point], float]:
    """Children with three operations per place drawn at random, parents by the hull."""
    plan, rng = GrowthPlan(seed=setting.seed), random.Random(setting.seed)
    workshop = Workshop(plan, Small, (X,), (), setting.split, Path(), "cpu")
    parent = trace(small(setting.seed), X)
    points = [setting.train(parent, setting.parent_epochs, setting.seed)]
    spent, nets, times = setting.price(parent, setting.parent_epochs), [parent], [0]
    while True:
        costs, errors = [p.macs for p in points], [100 - p.val for p in points]
        chosen = sample_petridish(costs, errors, times, rng)
        seed = rng.getrandbits(31)
        additions = []
        for ((place, inputs),) in workshop.groups(nets[chosen], seed):
            # Inputs of a place are of its kind; the kind is in its shape.
            node = next(n for n in nets[chosen].graph.nodes if n.meta.get("path") == place)
            kind = {1: "vector", 2: "sequence", 3: "map"}[len(node.meta["shape"])]
            pairs = [(read, name) for read in inputs for name in DEFAULTS[kind]]
            additions.append(Addition(place, tuple(rng.sample(pairs, min(3, len(pairs))))))
        child = add(nets[chosen], additions, seed=seed)
        price = setting.price(child, setting.child_epochs)
        if spent + price > budget:
            return points, spent
        times[chosen] += 1
        spent += price
        points.append(setting.train(child, setting.child_epochs, seed))
        nets.append(child)
        times.append(0)


def training_free(setting: Setting, budget: float) -> tuple[list[Point], float]:
    """The best by the default score under each bound, trained from scratch."""
    sizes = {"cells": 1, "input_shape": (1, 8, 8)}
    spaces = [nascout.space("nasbench201", channels=channels, **sizes) for channels in (2, 3)]
    rng = random.Random(setting.seed)
    sampled = [rng.choice(spaces).sample(rng) for _ in range(SCORED)]
    found = {arch.digest: arch for arch in sampled}
    costs = {digest: nascout.cost(arch).macs for digest, arch in found.items()}
    scores = {digest: float(nascout.score(arch)) for digest, arch in found.items()}
    base = measured_cost(small(0), X[:1]).macs
    chosen = []
    for bound in BOUNDS:
        fitting = [d for d in found if costs[d] <= bound * base and d not in chosen]
        if fitting:
            chosen.append(max(fitting, key=lambda d: scores[d]))
    points, spent = [], 0.0
    for digest in chosen:
        net = nascout.build(found[digest], seed=setting.seed)
        epochs = int(budget / len(chosen) / setting.price(net, 1))
        spent += setting.price(net, epochs)
        points.append(setting.train(net, epochs, setting.seed))
    return points, spent


def area(points: list[Point], base: float, *, test: bool) -> float:
    """Mean accuracy over log MACs of the best, by validation, that fits; 10 % if none does."""
    at = np.exp(np.linspace(log(BOUNDS[0] * base), log(BOUNDS[-1] * base), 400))
    heights = []
    for bound in at:
        fitting = [p for p in points if p.macs <= bound]
        best = max(fitting, key=lambda p: (p.val, -p.macs), default=Point(0, 10.0, 10.0))
        heights.append(best.test if test else best.val)
    return float(np.mean(heights))


def main() -> None:
    """Run every contender for every seed, and print means and spreads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, help="to train and validate on; all by default")
    parser.add_argument("--children", type=int, default=4)
    parser.add_argument("--parent-epochs", type=int, default=40)
    parser.add_argument("--candidate-epochs", type=int, default=2)
    parser.add_argument("--child-epochs", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/growth_front.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    empty = pd.DataFrame(columns=["seed", "contender", "train_macs", "setting"])
    done = pd.read_csv(options.out) if options.out.exists() else empty
    data = load("digits")
    if options.images:
        data = replace(data, train=data.train.take(torch.arange(options.images)))
    setting = Setting(
        data,
        data.split(),
        0,
        options.parent_epochs,
        options.candidate_epochs,
        options.child_epochs,
        options.children,
    )
    others = {
        "longer": longer,
        "random additions": random_additions,
        "training-free": training_free,
    }
    base = measured_cost(small(0), X[:1]).macs
    for seed in range(options.seeds):
        mine = replace(setting, seed=seed, split=data.split(seed=seed))
        known = done[(done["seed"] == seed) & (done["setting"] == mine.name)]
        budget = float(known["train_macs"].iloc[0]) if len(known) else None
        for name in CONTENDERS:
            if len(known) and name in set(known["contender"]):
                continue
            start = time.process_time()
            points, spent = grow(mine) if name == "grow" else others[name](mine, budget)
            budget = budget or spent
            row = {
                "seed": seed,
                "contender": name,
                "models": len(points),
                "val_area": round(area(points, base, test=False), 3),
                "test_area": round(area(points, base, test=True), 3),
                "best_val": round(max(p.val for p in points), 3),
                "best_macs": int(max(points, key=lambda p: p.val).macs),
                "test_of_best_val": round(max(points, key=lambda p: p.val).test, 3),
                "train_macs": f"{spent:.4g}",
                "cpu_seconds": round(time.process_time() - start, 1),
                "setting": mine.name,
            }
            append(options.out, row)
            print(row, flush=True)
    table = pd.read_csv(options.out).groupby(["setting", "contender"], sort=False)
    numbers = ["val_area", "test_area", "best_val", "test_of_best_val", "models", "cpu_seconds"]
    print(table[numbers].agg(["mean", "std"]).round(2).to_string())


def append(path: Path, row: dict[str, object]) -> None:
    """One more row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row.keys())
        if is_new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
