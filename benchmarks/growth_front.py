"""The front of a grown gallery against three other ways to spend the same training.

Compute is counted in multiply-adds of forward passes: epochs x images x MACs, candidates included.
Every contender may spend what growing spent (the first training of the model included):

- ``grow``: nascout.grow from a small CNN that is trained first, long enough to be done.
- ``longer``: the same CNN, trained once for as long.
- ``random additions``: the same loop, the same places, but what is added is drawn at random; what
  the candidates would have cost goes into more children. A branch starts as the even sum of its
  operations, since there are no candidates to say in which proportion.
- ``training-free``: random NAS-Bench-201 cells on a small skeleton, scored without training; the
  best under several bounds on MACs are trained from scratch with equal shares of the compute.

Everything is trained by the recipe ``growth`` with batches of 128, four times its rate and an epoch
of warm-up, which takes less than half the time on one core.

The area under a front is the mean, over log MACs from 1.5 to 10 times those of the CNN, of the
accuracy of the best model (by validation) that costs no more. (Below, there are few cells.) It is
given for validation, which chose, and for test, which nobody saw.

    OMP_WAIT_POLICY=passive python benchmarks/growth_front.py --data digits --parent-epochs 1000
    OMP_WAIT_POLICY=passive python benchmarks/growth_front.py --data cifar10.npz --image-size 16 \
        --images 2000 --width 6 --children 3 --parent-epochs 200

Rows are appended as they come; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode

import nascout
from nascout.data import Data, Split, load
from nascout.growth import Addition, add, attach, trace
from nascout.growth.addition import branches
from nascout.growth.hull import sample_petridish
from nascout.growth.operations import DEFAULTS
from nascout.network.cost import measured_cost
from nascout.run.growth.plan import GROWTH, Epochs, GrowthPlan
from nascout.run.growth.workshop import Workshop
from nascout.train import accuracy, fit

CONTENDERS = ("grow", "longer", "random additions", "training-free")
BOUNDS = (1.5, 3.0, 5.0, 10.0)  # times the MACs of the CNN
SCORED = 60
RECIPE = replace(GROWTH, name="growth_128", batch_size=128, lr=4 * GROWTH.lr, warmup_epochs=1)


class Small(nn.Module):
    """A CNN with two skips."""

    def __init__(self, channels: int, width: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in "ab")
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in "ab")
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (n, channels, height, width)."""
        x = self.pool(self.stem(x).relu())
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + norm(conv(x)).relu()
        return self.head(x.mean((2, 3)))


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
    width: int
    epochs: Epochs
    at_once: int
    children: int

    @property
    def x(self) -> torch.Tensor:
        """Two images of nothing."""
        return torch.zeros(2, *self.data.input_shape)

    @property
    def base(self) -> float:
        """MACs of the CNN."""
        return measured_cost(self.small(), self.x[:1]).macs

    @property
    def name(self) -> str:
        """Images, size, width, children, places at once, and epochs of parent/candidates/child."""
        epochs = f"{self.epochs.parent}/{self.epochs.candidates}/{self.epochs.child}"
        images = f"{len(self.data.train)} images of {self.data.input_shape[-1]}"
        growth = f"{self.children} children at {self.at_once}"
        return f"{self.data.name}, {images}, width {self.width}, {growth}, epochs {epochs}"

    def small(self) -> Small:
        """The CNN; its weights are a function of the seed."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return Small(self.data.input_shape[0], self.width, len(self.data.classes))

    def workshop(self, folder: Path) -> Workshop:
        """What draws the places of a step."""
        plan = GrowthPlan(seed=self.seed, at_once=self.at_once)
        return Workshop(plan, self.small, (self.x,), (), self.split, folder, "cpu")

    def price(self, net: nn.Module, epochs: float) -> float:
        """Multiply-adds of training ``net``: what runs in training counts, candidates too."""
        counter = FlopCounterMode(display=False)
        with counter:
            net.train()(self.x)
        return counter.get_total_flops() / 2 / len(self.x) * len(self.split.train) * epochs

    def train(self, net: nn.Module, epochs: int, seed: int) -> Point:
        """Train and measure."""
        val = fit(net, self.split, RECIPE, epochs=max(1, epochs), seed=seed).val_metric
        macs = measured_cost(net, self.x[:1]).macs
        return Point(macs, val, accuracy(net, self.split.test, self.split))


def grow(setting: Setting) -> tuple[list[Point], float]:
    """Petridish, and what it spent."""
    epochs = setting.epochs
    with tempfile.TemporaryDirectory() as folder:
        nascout.grow(
            setting.small(),
            setting.data,
            out=folder,
            budget=setting.children,
            recipe=RECIPE,
            at_once=setting.at_once,
            parent_epochs=epochs.parent,
            candidate_epochs=epochs.candidates,
            child_epochs=epochs.child,
            seed=setting.seed,
            progress=False,
        )
        family = nascout.GrownRun(folder, model=setting.small()).gallery()
        workshop = setting.workshop(Path(folder))
        spent = setting.price(family[0].build(), epochs.parent)
        for job in family.jobs:
            if job.kind == "candidates":
                parent = family[job.parent].build()
                searched = attach(parent, workshop.groups(parent, job.seed), seed=job.seed)
                spent += setting.price(searched, epochs.candidates)
            elif job.kind == "child" and job.outcome == "ok":
                spent += setting.price(family[job.model].build(), epochs.child)
        points = []
        for member in family.trained:
            test = accuracy(member.build(), setting.split.test, setting.split)
            values = member.model.values
            points.append(Point(values["macs"], values["val_accuracy"], test))
    return points, spent


def longer(setting: Setting, budget: float) -> tuple[list[Point], float]:
    """One training of the first model."""
    net = setting.small()
    epochs = int(budget / setting.price(net, 1))
    return [setting.train(net, epochs, setting.seed)], setting.price(net, epochs)


def drawn(
    setting: Setting, parent: fx.GraphModule, seed: int, rng: random.Random
) -> fx.GraphModule:
    """A child with three operations per place drawn at random, which it sums evenly at first."""
    additions = []
    for ((place, inputs),) in setting.workshop(Path()).groups(parent, seed):
        # Inputs of a place are of its kind; the kind is in its shape.
        node = next(n for n in parent.graph.nodes if n.meta.get("path") == place)
        kind = {1: "vector", 2: "sequence", 3: "map"}[len(node.meta["shape"])]
        pairs = [(read, name) for read in inputs for name in DEFAULTS[kind]]
        additions.append(Addition(place, tuple(rng.sample(pairs, min(3, len(pairs))))))
    child = add(parent, additions, seed=seed)
    for branch in branches(child)[-len(additions) :]:
        matrix, count = next(branch.project.parameters()), len(branch.ops)
        even = torch.eye(len(matrix)).repeat(1, count) / count**0.5
        with torch.no_grad():
            matrix.copy_(even.view_as(matrix))
    return child


def random_additions(setting: Setting, budget: float) -> tuple[list[Point], float]:
    """The loop with children drawn at random, parents by the hull."""
    rng, parent = random.Random(setting.seed), trace(setting.small(), setting.x)
    points = [setting.train(parent, setting.epochs.parent, setting.seed)]
    spent, nets, times = setting.price(parent, setting.epochs.parent), [parent], [0]
    while True:
        costs, errors = [p.macs for p in points], [100 - p.val for p in points]
        chosen = sample_petridish(costs, errors, times, rng)
        seed = rng.getrandbits(31)
        child = drawn(setting, nets[chosen], seed, rng)
        price = setting.price(child, setting.epochs.child)
        if spent + price > budget:
            return points, spent
        times[chosen] += 1
        spent += price
        points.append(setting.train(child, setting.epochs.child, seed))
        nets.append(child)
        times.append(0)


def training_free(setting: Setting, budget: float) -> tuple[list[Point], float]:
    """The best by the default score under each bound, trained from scratch."""
    shape, classes = setting.data.input_shape, len(setting.data.classes)
    spaces = [
        nascout.space("nasbench201", channels=width, cells=1, input_shape=shape, classes=classes)
        for width in (setting.width // 2, 3 * setting.width // 4)
    ]
    rng = random.Random(setting.seed)
    sampled = [rng.choice(spaces).sample(rng) for _ in range(SCORED)]
    found = {arch.digest: arch for arch in sampled}
    costs = {digest: nascout.cost(arch).macs for digest, arch in found.items()}
    scores = {digest: float(nascout.score(arch)) for digest, arch in found.items()}
    chosen = []
    for bound in BOUNDS:
        fitting = [d for d in found if costs[d] <= bound * setting.base and d not in chosen]
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
    options = parsed()
    torch.set_num_threads(1)
    data = load(options.data, image_size=options.image_size, flip=False)
    if options.images:
        data = replace(data, train=data.train.take(torch.arange(options.images)))
    epochs = Epochs(options.parent_epochs, options.candidate_epochs, options.child_epochs)
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        split = data.split(seed=seed)
        compare(
            Setting(data, split, seed, options.width, epochs, options.at_once, options.children),
            options.only or CONTENDERS,
            options.out,
        )
    table = pd.read_csv(options.out).groupby(["setting", "contender"], sort=False)
    numbers = ["val_area", "test_area", "best_val", "test_of_best_val", "models", "cpu_seconds"]
    print(table[numbers].agg(["mean", "std"]).round(2).to_string())


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits", help="digits, or a path of nascout.data.load")
    parser.add_argument("--image-size", type=int, help="resize images to this side")
    parser.add_argument("--images", type=int, help="to train and validate on; all by default")
    parser.add_argument("--width", type=int, default=4, help="channels of the CNN")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--children", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--parent-epochs", type=int, default=100)
    parser.add_argument("--candidate-epochs", type=int, default=4)
    parser.add_argument("--child-epochs", type=int, default=20)
    parser.add_argument("--only", choices=CONTENDERS, nargs="+", help="with growing first")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/growth_front.csv"))
    return parser.parse_args()


def compare(setting: Setting, contenders: Sequence[str], out: Path) -> None:
    """Append a row per contender that has none for this seed and setting."""
    empty = pd.DataFrame(columns=["seed", "contender", "train_macs", "setting"])
    done = pd.read_csv(out) if out.exists() else empty
    known = done[(done["seed"] == setting.seed) & (done["setting"] == setting.name)]
    budget = float(known["train_macs"].iloc[0]) if len(known) else 0.0
    others = {
        "longer": longer,
        "random additions": random_additions,
        "training-free": training_free,
    }
    for name in contenders:
        if name in set(known["contender"]):
            continue
        start = time.process_time()
        points, spent = grow(setting) if name == "grow" else others[name](setting, budget)
        budget = budget or spent
        best = max(points, key=lambda p: p.val)
        row = {
            "seed": setting.seed,
            "contender": name,
            "models": len(points),
            "val_area": round(area(points, setting.base, test=False), 3),
            "test_area": round(area(points, setting.base, test=True), 3),
            "best_val": round(best.val, 3),
            "best_macs": int(best.macs),
            "test_of_best_val": round(best.test, 3),
            "train_macs": f"{spent:.6g}",
            "cpu_seconds": round(time.process_time() - start, 1),
            "points": " ".join(f"{p.macs:.0f}:{p.val:.2f}:{p.test:.2f}" for p in points),
            "setting": setting.name,
        }
        append(out, row)
        print(row, flush=True)


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
