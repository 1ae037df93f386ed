"""The papers' tables on NAS-Bench-201, by ``nascout.compare``: NASWOT's, epsilon's, AREA's.

Scores come from two places: what the papers' authors released for every cell (``naswot_v1_c10``
and ``epsinas_c10`` in the table), and our own, which the first command makes: of small networks,
one cell per stage and 8 channels, on 64 images of 16 x 16.

    nascout score --space nasbench201 --all --score naswot --score independence --score epsilon \
        --score synflow --data cifar10.npz --image-size 16 --batch 64 \
        --space-option channels=8 --space-option cells=1 --out scores.parquet
    OMP_WAIT_POLICY=passive python benchmarks/paper_tables.py nasbench201.parquet scores.parquet \
        --records nats_bench_3_records.json.gz --runs 500 --workers 2 --out runs \
        --only seconds resimulated scores --csv benchmarks/results/paper_tables.csv
    OMP_WAIT_POLICY=passive python benchmarks/paper_tables.py nasbench201.parquet scores.parquet \
        --records nats_bench_3_records.json.gz --runs 100 --workers 2 --out runs \
        --only "other scores" --csv benchmarks/results/paper_tables.csv

The table has no training times. A training is assumed to take, per epoch, the mean over the three
cells whose full records are at hand; a score takes nothing. Searches see validation accuracy after
12 epochs, and what they find is reported after 200, the mean over the benchmark's seeds.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd

import nascout

DATASETS = ("cifar10", "cifar100")
ASSISTANTS = ("naswot", "naswot_v1", "independence", "epsilon", "epsinas", "synflow")
EVOLUTION = "regularised_evolution:epochs=12"

#: (what a search may spend, strategies): ``scores`` are drawn and the best is taken, untrained.
TABLES: Mapping[str, tuple[str, tuple[int, ...], Mapping[str, str]]] = {
    # Table 2a of NASWOT: 12,000 seconds, fitness after 12 epochs.
    "seconds": (
        "seconds",
        (12_000,),
        {
            "REA": EVOLUTION,
            "REINFORCE": "reinforce:epochs=12",
            "BOHB": "bohb:rung_epochs=12",
            "local search": "local_search:epochs=12",
            **{f"AREA, {s}": f"area:epochs=12,objectives=max:{s}" for s in ASSISTANTS},
            "AREA, params": "area:epochs=12,objectives=max:params",
            "REA, warm-up 3000, epsinas": f"{EVOLUTION},population=64,tournament=10,warm_up=3000,"
            "objectives=max:epsinas",
            "REA 64/10": f"{EVOLUTION},population=64,tournament=10",
        },
    ),
    # NASWOT's algorithm 1 and the oracle's rows; params and oracle are always there.
    "scores": (
        "evaluations",
        (10, 100, 1000),
        {"best by naswot": "random:epochs=0,objectives=max:naswot"},
    ),
    "other scores": (
        "evaluations",
        (10, 100, 1000),
        {f"best by {s}": f"random:epochs=0,objectives=max:{s}" for s in ASSISTANTS[1:]},
    ),
}
#: The re-simulation's protocol: fitness is the accuracy after 200 epochs.
RESIMULATED = {
    "RE P10 S3": "regularised_evolution:epochs=200",
    "RE P50 S10": "regularised_evolution:epochs=200,population=50,tournament=10",
    "local search": "local_search:epochs=200",
}


def main() -> None:
    """Run all tables, resuming what is there, and write one CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    parser.add_argument("scores")
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=500, help="500 as in the papers")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[*TABLES, "resimulated"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--csv", type=Path, required=True)
    options = parser.parse_args()
    table = nascout.benchmark("nasbench201", options.table)
    shared: dict[str, Any] = {
        "dataset": DATASETS,
        "known": known(options.table, options.scores),
        "workers": options.workers,
        "progress": True,
        "final_epochs": 200,
    }
    seconds = epoch_seconds(options.records)
    print("seconds per epoch:", seconds)
    summaries = []
    for name in options.only:
        if name == "resimulated":
            comparison = nascout.compare(
                table,
                RESIMULATED,
                evaluations=(50, 100, 200, 500),
                fitness_epochs=200,
                runs=min(200, options.runs),
                out=options.out / name,
                **shared,
            )
        else:
            unit, budgets, strategies = TABLES[name]
            comparison = nascout.compare(
                table,
                strategies,
                **{unit: budgets},
                fitness_epochs=12,
                epoch_seconds=seconds,
                runs=options.runs,
                out=options.out / name,
                **shared,
            )
        summaries.append(comparison.summary.assign(table=name))
        print(comparison.summary.to_string())
    summary = pd.concat(summaries)
    if options.csv.exists():  # tables made before, with other options
        before = pd.read_csv(options.csv)
        summary = pd.concat([before[~before["table"].isin(options.only)], summary])
    options.csv.parent.mkdir(parents=True, exist_ok=True)
    summary.round(3).to_csv(options.csv, index=False)


def known(table: str, scores: str) -> pd.DataFrame:
    """Every cell's scores, in the benchmark's notation; NaN where one failed."""
    released = pd.read_parquet(table)
    released = pd.DataFrame(
        {
            "architecture": released["arch_str"],
            "naswot_v1": released["naswot_v1_c10"],
            "epsinas": released["epsinas_c10"],
            "params": released["params_c10"],
        }
    )
    ours = pd.read_parquet(scores)
    columns = [name for name in ASSISTANTS if name in ours]
    # Duplicates are listed without a score of their own.
    by_digest = ours.dropna(subset=["digest"]).groupby("digest")[columns].transform("first")
    ours[columns] = ours[columns].fillna(by_digest)
    return released.merge(ours[["architecture", *columns]], on="architecture")


def epoch_seconds(records: Path) -> dict[str, float]:
    """Mean training time of an epoch: CIFAR-10 on half of the images, CIFAR-100 on all."""
    with gzip.open(records) as file:
        content = json.load(file)
    cells = [content[name]["200"]["all_results"] for name in content if name.startswith("tss/")]
    found = {}
    for dataset, home in (("cifar10", "cifar10-valid"), ("cifar100", "cifar100")):
        times = [
            mean(result["train_times"].values())
            for cell in cells
            for name, result in cell.items()
            if name.startswith(f"{home}|")
        ]
        found[dataset] = mean(times)
    return found


if __name__ == "__main__":
    main()
