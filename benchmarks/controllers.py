"""Learned controllers against random search on NAS-Bench-201, by accuracy and by score.

By accuracy: the reward is the validation accuracy after 200 epochs (mean of seeds), for
``cifar10-valid`` and ``cifar100``. After n evaluations ``best`` is the best so far, ``test`` the
test accuracy of that cell (CIFAR-10's from the networks trained on all images), ``last_100`` the
mean of the last 100 new cells, and ``draws`` the mean of 300 draws of the policy, known or new;
accuracies are validation accuracies.

By score: the reward is the rank of a score that the table holds for every cell, CIFAR-10. After n
scores ``pick`` is the accuracy of the best scored, ``draws`` the mean of 300 draws, ``score`` the
share of all cells that the pick's score beats, ``draws_score`` that of the draws. Accuracies are
test accuracies.

RAW is appended to; the same command goes on where it stopped.

    export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1
    python benchmarks/controllers.py --table nasbench201.parquet --raw raw.jsonl \
        --by cifar10-valid cifar100 --runs 20
    python benchmarks/controllers.py --table nasbench201.parquet --raw raw.jsonl \
        --by params zen naswot_v1 --runs 10
    python benchmarks/controllers.py --raw raw.jsonl --report benchmarks/results/controllers.csv
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
import pandas as pd

import nascout
from nascout.controller.batches import Batches
from nascout.controller.policy import one_thread
from nascout.records import Objective
from nascout.search import STRATEGIES, Stop, Trial, generator
from nascout.search.simulate import Lookup
from nascout.space import Architecture
from nascout.space.nasbench201 import NasBench201

SPACE = NasBench201()
TESTS = {"cifar10-valid": "cifar10", "cifar100": "cifar100"}
POINTS = (10, 20, 50, 100, 200, 300, 500, 700, 1000)
DRAWS = 300
# Name, strategy, knobs, evaluations. A rate that is not the paper's is in the name.
BY_ACCURACY = (
    ("random", "random", {}, 1000),
    ("reinforce", "reinforce", {}, 1000),
    ("nas_rl", "nas_rl", {}, 1000),
    ("ppo", "ppo", {}, 1000),
    ("nas_rl, rate 3e-3", "nas_rl", {"learning_rate": 3e-3}, 300),
    ("ppo, rate 1.5e-3", "ppo", {"learning_rate": 1.5e-3}, 300),
)
BY_SCORE = (
    ("random", "random", {}, 1000),
    ("ppo", "ppo", {}, 1000),
)
SCORES = {"params": "params_c10", "zen": "zen_c10", "naswot_v1": "naswot_v1_c10"}
EVERY = [*TESTS, *SCORES]
FAILED = -1e8  # how the table writes that zen failed


def drawn(state: object) -> list[Architecture]:
    """Draws of a policy as it stands; uniform ones where there is none."""
    rng = random.Random(0)
    if isinstance(state, Batches) and state.policy is not None:
        with one_thread():
            values = state.policy.values(state.policy.sample(DRAWS, rng))
        return [Architecture(SPACE, one) for one in values]
    if hasattr(state, "probabilities"):
        parts = np.split(state.probabilities(), len(SPACE.decisions))
        options = [choice.options for choice in SPACE.decisions]
        return [
            Architecture(
                SPACE, tuple(rng.choices(o, p)[0] for o, p in zip(options, parts, strict=True))
            )
            for _ in range(DRAWS)
        ]
    return [SPACE.sample(rng) for _ in range(DRAWS)]


def followed(strategy, lookup: Lookup, seed: int, stage: str, look):
    """What ``look(state, trials)`` says at every point; ``trials`` are those of ``stage``."""
    state, history, trials = strategy.start(SPACE), [], []
    while not isinstance(answer := state.ask(generator(seed, history)), Stop):
        if answer.stage == "retrain":
            return
        history.append(Trial(len(history), answer, *lookup(answer)))
        state.tell(history[-1])
        if answer.stage == stage:
            trials.append(history[-1])
            if len(trials) in POINTS:
                yield {"evaluations": len(trials), **look(state, trials)}


def by_accuracy(table, dataset: str, name: str, knobs: dict, budget: int, seed: int):
    """The curve of one run."""

    def look(state, trials):
        accuracies = [trial.values["val_accuracy"] for trial in trials]
        best = trials[int(np.argmax(accuracies))].architecture
        test = table.query(best, dataset=TESTS[dataset], split="test", epochs=200)
        draws = [table.query(one, dataset=dataset, split="val", epochs=200) for one in drawn(state)]
        return {
            "best": max(accuracies),
            "test": test,
            "last_100": float(np.mean(accuracies[-100:])),
            "draws": float(np.mean(draws)),
        }

    strategy = STRATEGIES[name](budget=budget, epochs=200, **knobs)
    yield from followed(strategy, Lookup(table, dataset=dataset), seed, "train", look)


def by_score(table, score: np.ndarray, name: str, knobs: dict, budget: int, seed: int):
    """The same, where nothing is trained."""
    finite = np.sort(score[np.isfinite(score)])

    def rank(one: Architecture) -> float:
        return float(np.searchsorted(finite, score[table.number(one)]) / len(finite))

    def accuracy(one: Architecture) -> float:
        return table.query(one, dataset="cifar10", split="test", epochs=200)

    def look(state, trials):
        known = [trial for trial in trials if "score" in trial.values]
        pick = max(known, key=lambda trial: trial.values["score"]).architecture
        draws = [one for one in drawn(state) if np.isfinite(score[table.number(one)])]
        return {
            "pick": accuracy(pick),
            "draws": float(np.mean([accuracy(one) for one in draws])),
            "score": rank(pick),
            "draws_score": float(np.mean([rank(one) for one in draws])),
        }

    objectives = (Objective("score", True),)
    strategy = STRATEGIES[name](budget=budget, objectives=objectives, **knobs)
    yield from followed(strategy, Lookup(table, known={"score": score}), seed, "score", look)


def run(path: Path, raw: Path, runs: int, by: list[str]) -> None:
    """Append what is missing, all contenders of one seed before the next seed."""
    table = nascout.benchmark("nasbench201", path)
    columns = pd.read_parquet(path, columns=list(SCORES.values()))
    scores = {
        name: columns[column].where(columns[column] > FAILED).replace([np.inf, -np.inf], np.nan)
        for name, column in SCORES.items()
    }
    done = set()
    if raw.exists():
        rows = map(json.loads, raw.read_text().splitlines())
        done = {(row["by"], row["contender"], row["seed"]) for row in rows}
    for seed in range(runs):
        jobs = [(d, *one) for one in BY_ACCURACY for d in TESTS]
        jobs += [(s, *one) for one in BY_SCORE for s in SCORES]
        for reward, label, *job in jobs:
            if reward not in by or (reward, label, seed) in done:
                continue
            if reward in TESTS:
                points = list(by_accuracy(table, reward, *job, seed))
            else:
                points = list(by_score(table, scores[reward].to_numpy(), *job, seed))
            with raw.open("a") as file:
                for point in points:
                    row = {"by": reward, "contender": label, "seed": seed, **point}
                    file.write(json.dumps(row) + "\n")
        print(seed, flush=True)


def report(raw: Path, out: Path) -> None:
    """Mean, quartiles and the number of runs."""
    frame = pd.DataFrame(map(json.loads, raw.read_text().splitlines()))
    keys = ["by", "contender", "evaluations"]
    long = frame.melt([*keys, "seed"], var_name="what", value_name="value").dropna()
    groups = long.groupby([*keys, "what"], sort=False)["value"]
    table = groups.agg(runs="count", mean="mean", std="std")
    table["q25"], table["q75"] = groups.quantile(0.25), groups.quantile(0.75)
    table = table.reset_index().sort_values(["by", "what", "contender", "evaluations"])
    table.round(4).to_csv(out, index=False)


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--by", nargs="+", choices=EVERY, default=EVERY)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    if options.report:
        report(options.raw, options.report)
    else:
        run(options.table, options.raw, options.runs, options.by)


if __name__ == "__main__":
    main()
