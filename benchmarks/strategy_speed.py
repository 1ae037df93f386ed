"""Evaluations per second of processor time that a comparison on NAS-Bench-201 gets through.

What is timed is what one process of ``nascout.compare`` does for a run: simulate it, find its
leaders, look up what they reach. The strategies take turns, since this kind of machine drifts; the
median and the best of the rounds are written down.

    OMP_WAIT_POLICY=passive python benchmarks/strategy_speed.py nasbench201.parquet \
        --out benchmarks/results/strategy_speed.csv
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from pathlib import Path

import nascout
from nascout.comparison import Protocol, open_arenas, read_contenders
from nascout.comparison.arena import settle
from nascout.comparison.one_run import random_search, run

STRATEGIES = (
    "regularised_evolution",
    "area:objectives=max:params",
    "local_search",
    "reinforce",
    "hyperband:rung_epochs=12+200",
    "random by score=random:epochs=0,objectives=max:params",
)


def main() -> None:
    """Time the strategies in turn and write a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--strategy", action="append", default=[], help="More of them.")
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=5, help="Per round.")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/strategy_speed.csv"))
    options = parser.parse_args()
    table = nascout.benchmark("nasbench201", options.path)
    budgets = (float(options.evaluations),)
    protocol = settle(table, Protocol(datasets=("cifar10",), unit="evaluations", budgets=budgets))
    arena = open_arenas(table, protocol, {})["cifar10"]
    epochs = protocol.fitness_epochs or 1
    texts = [*STRATEGIES, *options.strategy]
    contenders = [random_search(epochs), *read_contenders(texts, fitness_epochs=epochs)]
    speeds: dict[str, list[float]] = {one.label: [] for one in contenders}
    for number in range(options.rounds + 1):
        for one in contenders:
            start, done = time.process_time(), 0
            for seed in range(options.runs):
                first = run(one, arena, number * options.runs + seed)[0][0]
                done += first.trainings or first.scores
            if number:  # the first round warms up
                speeds[one.label].append(done / (time.process_time() - start))
    rows = [
        {
            "strategy": label,
            "evaluations": options.evaluations,
            "runs": options.runs * options.rounds,
            "per_second_median": round(statistics.median(found)),
            "per_second_best": round(max(found)),
        }
        for label, found in speeds.items()
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(
            f"{row['strategy']:24s} {row['per_second_median']:>8,} evaluations per second "
            f"(best round {row['per_second_best']:,})"
        )


if __name__ == "__main__":
    main()
