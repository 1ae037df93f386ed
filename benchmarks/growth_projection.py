"""How a child's projection should start: new, as in the paper, or as the candidates learned it.

Per seed a small CNN is trained on digits for 100 epochs, then for 4 with candidates at one place,
drawn at random. The child is then trained for 8 epochs from each start:

- ``new``: the projection is drawn at random (arXiv:1905.13360), the kept operations are not.
- ``even``: the projection starts as the even sum of the operations.
- ``learned``: it starts as the sum by the selection weights, as nascout.growth.finalise does.
- ``nothing``: no addition; the parent trains on.

All by the recipe of ``growth_front.py``. Loss and gate say how much of the addition is used;
accuracy is that of the validation part.

    OMP_WAIT_POLICY=passive python benchmarks/growth_projection.py

Rows are appended as they come; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import torch
from growth_front import RECIPE, Setting, append
from torch import fx

from nascout.data import load
from nascout.growth import add, attach, detach, finalise, select, trace
from nascout.growth.addition import branches
from nascout.run.growth.plan import Epochs
from nascout.train import fit

OUT = Path("benchmarks/results/growth_projection.csv")
STARTS = ("new", "even", "learned", "nothing")


def child(searched: fx.GraphModule, start: str, seed: int) -> fx.GraphModule:
    """Of a network whose candidates were trained."""
    if start == "nothing":
        return detach(searched)
    born = finalise(searched, select(searched), seed=seed)
    project = next(branches(born)[0].project.parameters())
    with torch.no_grad():
        if start == "new":
            fresh = add(detach(searched), select(searched), seed=seed)
            project.copy_(next(branches(fresh)[0].project.parameters()))
        elif start == "even":
            count = len(branches(born)[0].ops)
            even = torch.eye(len(project)).repeat(1, count) / count**0.5
            project.copy_(even.view_as(project))
    return born


def main() -> None:
    """Append four rows per seed, and print means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load("digits")
    done = pd.read_csv(options.out)["seed"].tolist() if options.out.exists() else []
    for seed in range(options.seeds):
        if done.count(seed) == len(STARTS):
            continue
        split = data.split(seed=seed)
        setting = Setting(data, split, seed, 4, Epochs(100, 4, 8), 1, 1)
        net = trace(setting.small(), setting.x)
        fit(net, split, RECIPE, epochs=100, seed=seed)
        groups = setting.workshop(Path()).groups(net, seed)
        searched = attach(net, groups, seed=seed)
        fit(searched, split, RECIPE, epochs=4, seed=seed)
        for start in STARTS[done.count(seed) :]:
            born = child(searched, start, seed)
            trained = fit(born, split, RECIPE, epochs=8, seed=seed)
            row = {
                "seed": seed,
                "start": start,
                "place": groups[0][0].place,
                "train_loss": round(trained.train_loss, 4),
                "val_accuracy": round(trained.val_metric, 2),
                "gate": round(branches(born)[0].gate.item(), 3) if branches(born) else 0.0,
            }
            append(options.out, row)
            print(row, flush=True)
    numbers = ["train_loss", "val_accuracy", "gate"]
    table = pd.read_csv(options.out).groupby("start", sort=False)[numbers]
    print(table.agg(["mean", "std"]).round(3).to_string())


if __name__ == "__main__":
    main()
