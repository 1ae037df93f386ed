"""What a score's ranking hangs on: the batch, the inputs, the initialisation, steps of training.

Scores the same random NAS-Bench-201 cells, in a small network, under one change at a time, and
ranks them against the published CIFAR-10 test accuracy. Unchanged are a batch of 64 images, the
library's own initialisation (uniform in ±1/sqrt(fan_in)) with seed 0, and no training. Scores that
read no batch have no rows for the first two. A value that is not finite is left out of the
correlation; ``finite`` counts the others. Intervals: 95 %, bootstrap over cells, of Spearman's rho.

    OMP_WAIT_POLICY=passive python benchmarks/score_ablations.py --table nasbench201.parquet \
        --images cifar10.npz --out benchmarks/results/score_ablations.csv
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nascout
from nascout.benchmark import BENCHMARKS
from nascout.benchmark.agreement import agreement
from nascout.data import load
from nascout.score import SCORES
from nascout.score.weights import weights

NAMES = ("naswot", "synflow", "jacob_cov", "grad_norm", "epsilon", "independence", "params")
BATCH = 64
BATCHES = (8, 16, 32, BATCH, 128)
STEPS = (0, 1, 10, 100)
NOISES = {"Gaussian noise": torch.randn, "uniform noise": torch.rand}
INITIALISATIONS: dict[str, Callable[..., Tensor]] = {
    "Kaiming normal": nn.init.kaiming_normal_,
    "Xavier normal": nn.init.xavier_normal_,
    "orthogonal": nn.init.orthogonal_,
    "standard normal": nn.init.normal_,
}

Setting = tuple[str, str]  # which ablation, and what it is set to
Batch = tuple[Tensor, Tensor]  # images (n, 3, side, side) and labels (n,)


@dataclass(frozen=True, eq=False)
class Situation:
    """What is scored, and every setting that it stands for."""

    settings: tuple[Setting, ...]
    net: nn.Module
    x: Tensor
    y: Tensor


def situations(cell: nascout.Architecture, batch: Batch, training: Batch) -> Iterator[Situation]:
    """One cell under every setting; score each before the next, which may train its network."""
    net = built(cell)
    x, y = batch[0][:BATCH], batch[1][:BATCH]
    unchanged = (
        ("batch size", str(BATCH)),
        ("inputs", "images"),
        ("initialisation", "uniform, seed 0"),
        ("training steps", "0"),
    )
    for size in BATCHES:
        settings = unchanged if size == BATCH else (("batch size", str(size)),)
        yield Situation(settings, net, batch[0][:size], batch[1][:size])
    for name, noise in NOISES.items():
        drawn = noise(x.shape, generator=torch.Generator().manual_seed(0))
        yield Situation((("inputs", name),), net, drawn, y)
    for seed in (1, 2):
        setting = ("initialisation", f"uniform, seed {seed}")
        yield Situation((setting,), built(cell, seed), x, y)
    for name, draw in INITIALISATIONS.items():
        yield Situation((("initialisation", name),), built(cell, draw=draw), x, y)
    for step, trained in enumerate(sgd(net, training), 1):
        if step in STEPS:
            yield Situation((("training steps", str(step)),), trained, x, y)


def built(
    cell: nascout.Architecture, seed: int = 0, draw: Callable[..., Tensor] | None = None
) -> nn.Module:
    """The cell's network; ``draw`` replaces its convolutions and its matrix, in place."""
    net = nascout.build(cell, seed)
    if draw:
        generator = torch.Generator().manual_seed(seed)
        for weight in weights(net).values():
            draw(weight, generator=generator)
    return net.to(memory_format=torch.channels_last)  # trains twice as fast


def sgd(net: nn.Module, training: Batch) -> Iterator[nn.Module]:
    """``net`` after each step: batch 64, learning rate .05, momentum .9."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    x, y = training
    batches = itertools.cycle(zip(x.split(BATCH), y.split(BATCH), strict=True))
    net.train()
    for images, labels in itertools.islice(batches, max(STEPS)):
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()
        yield net


def concerns(setting: Setting, name: str) -> bool:
    """Whether a setting can matter to a score: the batch does not to one that reads none."""
    return setting[0] not in ("batch size", "inputs") or SCORES[name].needs != "network"


def row(setting: Setting, name: str, column: list[float], accuracy: pd.Series) -> dict[str, object]:
    """How a score under one setting ranks the cells."""
    better = 1 if SCORES[name].higher_is_better else -1
    found = agreement(better * np.array(column), accuracy.to_numpy(float))
    return {
        "ablation": setting[0],
        "setting": setting[1],
        "score": name,
        "spearman": round(found.spearman.value, 3),
        "kendall": round(found.kendall.value, 3),
        "low": round(found.spearman.low, 3),
        "high": round(found.spearman.high, 3),
        "finite": found.count,
        "n": len(column),
    }


def main() -> None:
    """Score every cell under every setting and write a row per setting and score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True, help="NAS-Bench-201")
    parser.add_argument("--images", type=Path, required=True, help="an .npz file of CIFAR-10")
    parser.add_argument("--cells", type=int, default=60)
    parser.add_argument("--scores", nargs="+", default=list(NAMES))
    parser.add_argument("--side", type=int, default=16, help="of the images, in pixels")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/score_ablations.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load(str(options.images), image_size=options.side)
    space = nascout.space(
        "nasbench201", channels=8, cells=1, input_shape=(3, options.side, options.side)
    )
    frame = BENCHMARKS["nasbench201"]().read(options.table).sample(options.cells, random_state=0)
    batch, training = data.batch(max(BATCHES)), data.batch(len(data.train), seed=1)
    batch, training = (
        (x.contiguous(memory_format=torch.channels_last), y) for x, y in (batch, training)
    )
    values: dict[tuple[Setting, str], list[float]] = defaultdict(list)
    start = time.perf_counter()
    for text in frame["architecture"]:
        for one in situations(space.parse(text), batch, training):
            names = [n for n in options.scores if any(concerns(s, n) for s in one.settings)]
            found = nascout.score(one.net, one.x, names, labels=one.y)
            for setting, name in itertools.product(one.settings, names):
                if concerns(setting, name):
                    values[setting, name].append(found[name].value)
    rows = [row(*key, column, frame["c10_test"]) for key, column in values.items()]
    table = pd.DataFrame(rows).sort_values("ablation", kind="stable")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out, index=False)
    print(table.to_string(index=False))
    print(f"{options.cells} cells in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
