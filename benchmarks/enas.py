"""ENAS: shared weights in nascout against plain modules, and a small search.

Both sides take the same steps of SGD on the same paths through NAS-Bench-201's cells, with the same
weights, in turn, in one process; seconds are those of the processor. Memory is counted: what
autograd keeps for the backward pass, each storage once, and weights with their momentum.

    OMP_WAIT_POLICY=passive python benchmarks/enas.py speed --cells 1 --paths 16
    OMP_WAIT_POLICY=passive python benchmarks/enas.py speed --cells 5 --paths 8

The search is small: a subset of CIFAR-10 and cells of the smallest skeleton. What it finds is
looked up in the published table, beside what random search with shared weights finds after as many
steps of the weights, and beside all cells.

    OMP_WAIT_POLICY=passive python benchmarks/enas.py search cifar10.npz table.parquet --seed 0
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from plain.enas import SharedCells
from plain.enas import step as plain_step
from scipy.stats import percentileofscore, spearmanr
from torch import Tensor, nn
from torch.nn import functional as F

import nascout
from nascout.data import load
from nascout.network.supernet import Supernet
from nascout.oneshot import METHODS, share

RESULTS = Path("benchmarks/results")


def main() -> None:
    """One of the two parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(required=True)
    part = parts.add_parser("speed")
    part.set_defaults(run=speed)
    part.add_argument("--channels", type=int, default=16)
    part.add_argument("--cells", type=int, default=1)
    part.add_argument("--paths", type=int, default=16)
    part.add_argument("--batch", type=int, default=64)
    part = parts.add_parser("search")
    part.set_defaults(run=search)
    part.add_argument("data")
    part.add_argument("table")
    part.add_argument("--images", type=int, default=2000)
    part.add_argument("--epochs", type=int, default=8)
    part.add_argument("--methods", nargs="+", default=["enas", "rsps"])
    part.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.run(options)


def speed(options: argparse.Namespace) -> None:
    """Step by step, both sides on the same path."""
    space = nascout.space("nasbench201", channels=options.channels, cells=options.cells)
    rng = random.Random(0)
    paths = [space.sample(rng) for _ in range(options.paths + 2)]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(options.batch, 3, 32, 32, generator=generator)
    y = torch.arange(options.batch) % 10
    ours, plain = Supernet(), SharedCells(options.channels, options.cells)
    everything = [
        space.architecture(dict.fromkeys(paths[0].choices, op))
        for op in ("nor_conv_1x1", "nor_conv_3x3")
    ]
    for one in everything:
        ours.hold(one.graph())
        copy(ours, one, plain, x)
    sgd = {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 2e-4}
    optimizers = [torch.optim.SGD(net.parameters(), **sgd) for net in (ours, plain)]
    rows, at_first = [], 0.0
    for number, path in enumerate(paths):
        sides = {
            "nascout": lambda path=path: our_step(ours, optimizers[0], x, y, path),
            "plain": lambda path=path: plain_step(plain, optimizers[1], x, y, path.choices),
        }
        row: dict[str, object] = {"cells": options.cells, "architecture": str(path)}
        for name in sorted(sides, reverse=bool(number % 2)):
            row |= measured(name, sides[name])
        if number == 0:
            at_first = abs(float(row["nascout_loss"]) - float(row["plain_loss"]))
        if number >= 2:  # the first ones warm up
            row["ratio"] = round(float(row["nascout_seconds"]) / float(row["plain_seconds"]), 3)
            rows.append(dict(sorted(row.items())))
    for name, net in (("nascout", ours), ("plain", plain)):
        count = sum(p.numel() for p in net.parameters())
        print(f"{name}: {count} weights, {8 * count / 2**20:.2f} MiB with momentum")
    write(RESULTS / f"enas_speed_{options.cells}.csv", rows)
    ratios = sorted(float(row["ratio"]) for row in rows)
    kept = [float(row["nascout_mib"]) / float(row["plain_mib"]) for row in rows]
    apart = max(abs(float(r["nascout_loss"]) - float(r["plain_loss"])) for r in rows)
    print(f"C = {options.channels}, N = {options.cells}, batch {options.batch}, {len(rows)} steps")
    print(f"seconds, nascout over plain: {statistics.median(ratios):.3f}, {ratios[0]}-{ratios[-1]}")
    print(f"memory for the backward pass: {statistics.median(kept):.3f}, largest {max(kept):.3f}")
    print(f"losses differ by {at_first:.1e} at the first step, {apart:.1e} at most")


def our_step(
    net: Supernet,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    path: nascout.Architecture,
) -> float:
    """As in a sharing, where every path is new: its graph is made, too."""
    graph = path.space.graph(path)
    net.hold(graph)
    loss = F.cross_entropy(net(graph, x), y)
    optimizer.zero_grad()
    torch.autograd.backward(loss, inputs=list(net.parameters()))
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimizer.step()
    return float(loss.detach())


def measured(name: str, step: Callable[[], float]) -> dict[str, object]:
    """Loss, seconds and MiB of a step."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    start = time.process_time()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = step()
    seconds = time.process_time() - start
    mib = sum(kept.values()) / 2**20
    return {
        f"{name}_loss": round(loss, 6),
        f"{name}_seconds": round(seconds, 4),
        f"{name}_mib": round(mib, 3),
    }


def copy(ours: Supernet, path: nascout.Architecture, plain: SharedCells, x: Tensor) -> None:
    """Give the plain network the weights of a path, in the order in which they run."""
    order: list[list[nn.Module]] = [[], []]
    hooks = [
        module.register_forward_pre_hook(lambda module, _, side=side: order[side].append(module))
        for side, net in enumerate((ours, plain))
        for module in net.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        ours(path.graph(), x[:2])
        plain(x[:2], path.choices)
        for mine, other in zip(*order, strict=True):
            other.load_state_dict(mine.state_dict())
    for hook in hooks:
        hook.remove()


def search(options: argparse.Namespace) -> None:
    """Two methods with equal steps of the weights; what the table says of what they found."""
    table = nascout.benchmark("nasbench201", options.table)
    asked = {"dataset": "cifar10", "split": "test", "epochs": 200}
    split = load(options.data, flip=True).split()
    first = torch.arange(options.images)
    split = replace(split, train=split.train.take(first), val=split.val.take(first[:1000]))
    space = nascout.space("nasbench201", channels=16, cells=1)
    truth = {str(one): table.query(one, **asked) for one in space}
    shared = {"epochs": options.epochs, "batch_size": 64, "val_fraction": 0.25, "lr": 0.05}
    methods = {
        "enas": METHODS["enas"](**shared, controller_steps=10, aggregate=10, samples=10),
        "rsps": METHODS["rsps"](**shared, samples=10),
    }
    for name in options.methods:
        start = time.process_time()
        found = share(methods[name], space, split, seed=options.seed)
        seconds = time.process_time() - start
        accuracies = [truth[str(one)] for one, _ in found.architectures]
        best, measured_best = found.architectures[0]
        judged = [accuracy for _, accuracy in found.architectures]
        row = {
            "method": name,
            "seed": options.seed,
            "found": str(best),
            "shared_accuracy": round(measured_best or 0.0, 2),
            "test_accuracy": round(accuracies[0], 2),
            "better_than_percent": round(percentileofscore(list(truth.values()), accuracies[0]), 1),
            "mean_of_samples": round(statistics.mean(accuracies), 2),
            "spearman_of_samples": round(float(spearmanr(judged, accuracies)[0]), 3),
            "seconds": round(seconds, 1),
            "entropy": round(found.curve[-1].numbers.get("entropy", 0.0), 3) or "",
        }
        write(RESULTS / "enas_search.csv", [row], append=True)
        print(", ".join(f"{key} {value}" for key, value in row.items()))
        for epoch in found.curve:
            print(epoch.epoch, round(epoch.train_loss, 3), dict(epoch.numbers))
    print(
        f"all cells: mean {statistics.mean(truth.values()):.2f}, "
        f"median {statistics.median(truth.values()):.2f}, best {max(truth.values()):.2f}"
    )


def write(path: Path, rows: list[dict[str, object]], *, append: bool = False) -> None:
    """A CSV with a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = append and path.exists()
    with path.open("a" if append else "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        if not begun:
            writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
