"""Accuracy against throughput on Accel-NASBench: how much of the true front a search has found.

The space has 1e11 networks and the table 4,103, so a proposal is replaced by the nearest network of
the table that was not evaluated yet (the fewest decisions that differ), and the strategy is told
that one: all numbers are measured ones. `random` draws from the table uniformly. Both objectives
are scaled to 0..1 over the table; the hypervolume is the area that the evaluated networks dominate,
over that of the whole table. Runs that are in the file are not run again.

    OMP_WAIT_POLICY=passive python benchmarks/accel_hypervolume.py accel_nasbench.parquet \
        --runs 20 --out benchmarks/results/accel_hypervolume.csv
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import nascout
from nascout.records import Objective, Outcome
from nascout.search import STRATEGIES, Proposal, Stop, Strategy, Trial, generator
from nascout.search.optuna_search import OptunaSearch
from nascout.search.optuna_state import Suggested, import_optuna
from nascout.search.sequential import Chooser
from nascout.space import Architecture, Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

AFTER = (25, 50, 100)
DEVICES = ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190")
OBJECTIVES = (Objective("accuracy", True), Objective("throughput_fps", True))


class MultiObjectiveTpe(OptunaSearch):
    """Optuna's TPE, told all objectives. One model of all decisions: one for each is too slow."""

    name = "optuna TPE"

    def start(self, space: Space) -> Chooser:
        """An empty study."""
        import_optuna()
        return Suggested(self, space, multivariate_tpe, len(self.objectives))


def multivariate_tpe(seed: int) -> BaseSampler:
    """The sampler with this seed."""
    from optuna.samplers import TPESampler

    warnings.simplefilter("ignore")  # it calls itself experimental
    return TPESampler(seed=seed, multivariate=True)


def searches() -> dict[str, Strategy]:
    """What is compared to random rows; the last one sees the accuracy only."""
    knobs = {"budget": AFTER[-1], "objectives": OBJECTIVES}
    return {
        "nsga2": STRATEGIES["nsga2"](**knobs, population=20),
        "optuna TPE": MultiObjectiveTpe(**knobs),
        "regularised_evolution (accuracy)": STRATEGIES["regularised_evolution"](**knobs),
    }


def hypervolume(points: np.ndarray) -> float:
    """The area between the origin and the points that are dominated by none; larger is better.

    >>> hypervolume(np.array([[1.0, 0.25], [0.5, 0.5], [0.4, 0.4]]))
    0.375
    """
    area = height = 0.0
    for x, y in points[np.lexsort((-points[:, 1], -points[:, 0]))]:  # from the right to the left
        area += x * max(0.0, y - height)
        height = max(height, y)
    return float(area)


class Table:
    """The networks with a throughput: architectures, codes, both objectives and their scaling."""

    def __init__(self, path: Path, device: str) -> None:
        benchmark = nascout.benchmark("accel_nasbench", path)
        values = np.stack(
            [benchmark.values("val_top1"), benchmark.values(f"throughput_{device}_mean")], axis=1
        )
        known = np.flatnonzero(np.isfinite(values).all(axis=1))
        self.space: Space = nascout.space("mnasnet")
        notations = [*benchmark]
        self.architectures = [self.space.parse(notations[i]) for i in known]
        self.place = {one: i for i, one in enumerate(self.architectures)}
        self.choices = np.array([one.values for one in self.architectures], dtype=object)
        self.values = values[known]
        low, high = self.values.min(axis=0), self.values.max(axis=0)
        self.scaled = (self.values - low) / (high - low)
        self.area = hypervolume(self.scaled)

    def nearest(self, architecture: Architecture, left: np.ndarray) -> int:
        """The row, of those ``left``, that differs in the fewest decisions; the first of equals."""
        differing = (self.choices != np.array(architecture.values, dtype=object)).sum(axis=1)
        return int(np.where(left, differing, len(architecture.values) + 1).argmin())


def rows(strategy: Strategy, table: Table, seed: int) -> Iterator[int]:
    """The rows in the order in which the strategy is told them."""
    state, history = strategy.start(table.space), []
    left = np.ones(len(table.architectures), dtype=bool)
    while not isinstance(answer := state.ask(generator(seed, history)), Stop):
        if answer.stage != "score":
            return
        row = table.nearest(answer.architecture, left)
        left[row] = False
        yield row
        names = [objective.metric for objective in OBJECTIVES]
        values = dict(zip(names, table.values[row].tolist(), strict=True))
        told = Proposal(table.architectures[row])
        history.append(Trial(len(history), told, Outcome.OK, values))
        state.tell(history[-1])


def on_front(table: Table) -> int:
    """How many networks of the table no other one dominates."""
    values = table.values
    return sum(
        not ((values >= one).all(axis=1) & (values > one).any(axis=1)).any() for one in values
    )


def searched(name: str, table: Table, seed: int) -> list[dict[str, object]]:
    """The share of the hypervolume that one run has found, after so many evaluations."""
    start = time.process_time()
    if name == "random":
        order = random.Random(seed).sample(range(len(table.architectures)), AFTER[-1])
    else:
        order = list(rows(searches()[name], table, seed))
    head = {"search": name, "seed": seed, "cpu_seconds": round(time.process_time() - start, 3)}
    return [
        head
        | {"after": after, "share": round(hypervolume(table.scaled[order[:after]]) / table.area, 4)}
        for after in AFTER
    ]


def main() -> None:
    """Search on every device, a row per run and number of evaluations; print the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--devices", nargs="*", default=list(DEVICES))
    parser.add_argument("--only", nargs="*", default=["random", *searches()])
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/accel_hypervolume.csv")
    )
    options = parser.parse_args()
    tables = {device: Table(options.table, device) for device in options.devices}
    for device, table in tables.items():
        count = len(table.architectures)
        print(f"{device}: {count} networks, {on_front(table)} on the front, area {table.area:.3f}")
    done = set()
    if options.out.exists():
        done = set(pd.read_csv(options.out)[["device", "search", "seed"]].itertuples(index=False))
    for seed, name, device in itertools.product(range(options.runs), options.only, tables):
        if (device, name, seed) not in done:
            found = pd.DataFrame(searched(name, tables[device], seed))
            found.insert(0, "device", device)
            found.to_csv(options.out, index=False, mode="a", header=not options.out.exists())
    means = pd.read_csv(options.out).groupby(["device", "search", "after"], sort=False)
    print(
        means.agg({"share": ["mean", "std", "size"], "cpu_seconds": "median"}).round(3).to_string()
    )


if __name__ == "__main__":
    main()
