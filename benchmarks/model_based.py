"""Strategies with a model of the space, against those without, on NAS-Bench-201's table.

Three parts, each its rows in one CSV:

* ``evaluations``: the best of 50, 100 and 200 trainings of 200 epochs.
* ``epochs``: as many epochs as 50 such trainings, for strategies that also train for 12 epochs,
  and the funnel's parts. One epoch is the unit of time, and a score costs 0.02 of it.
* ``scores``: choosing among the cells that the reference scores cover (a second table), with and
  without those as features.

What the CSV already holds is not run again, so it can be stopped at any time.

``val`` is what the search saw; ``test`` is that architecture's, on CIFAR-10 from the networks that
were trained on all images.

    OMP_NUM_THREADS=1 python benchmarks/model_based.py nasbench201.parquet \
        --scores nasbench201_reference_scores.parquet --runs 20
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, product
from pathlib import Path

import pandas as pd

import nascout
from nascout.benchmark import Benchmark
from nascout.records import Objective
from nascout.search import STRATEGIES, Strategy, Trial
from nascout.search.guide import Guide, GuideKnobs
from nascout.search.simulate import Lookup, leader, simulate
from nascout.space import SPACES, Architecture

# Where a data set's test accuracy is.
FINAL = {"cifar10-valid": "cifar10", "cifar100": "cifar100"}
# Cells are what is searched; in a small network they are compared faster.
SPACE = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
# Other people's scores of all cells; the one that selects is ``naswot``.
KNOWN = {"params": "params_c10", "naswot": "naswot_v1_c10", "zen": "zen_c10"}
COUNTS = (50, 100, 200)
EPOCHS = 10_000
SCORE_EPOCHS = 0.02
REFERENCE = "epe_nas fisher flops grad_norm grasp jacov l2_norm nwot params plain snip synflow"
POOL_COUNTS = (20, 30, 50, 100)
FIELDS = ["part", "dataset", "strategy", "checkpoint", "run", "val", "test", "rank"]
FIELDS += ["trainings", "scored", "epochs"]
Row = dict[str, object]
Key = tuple[str, str, str, int]


def by_evaluations() -> dict[str, tuple[Strategy, bool]]:
    """Name to a strategy of 200 trainings, and whether it is told scores."""
    common = {"budget": COUNTS[-1], "epochs": 200}
    screened = common | {"budget": 10 * COUNTS[-1], "screen": 10}
    halving = {"budget": COUNTS[-1], "rung_epochs": (200,)}
    guided = STRATEGIES["predictor_guided"]
    return {
        "random": (STRATEGIES["random"](**common), False),
        "regularised_evolution": (STRATEGIES["regularised_evolution"](**common), False),
        "local_search": (STRATEGIES["local_search"](**common), False),
        "optuna TPE": (STRATEGIES["optuna"](**common), False),
        "bohb, one fidelity": (STRATEGIES["bohb"](**halving), False),
        "predictor_guided": (guided(**common), False),
        "predictor_guided, improvement": (
            guided(**common, acquisition="expected_improvement"),
            False,
        ),
        "predictor_guided, pairwise": (guided(**common, loss="pairwise"), False),
        "predictor_guided, pairwise, bad quarter": (
            guided(**common, loss="pairwise", negatives=0.25),
            False,
        ),
        "predictor_guided, screened without scores": (guided(**screened), False),
        "predictor_guided, scores": (guided(**screened), True),
    }


def by_epochs() -> dict[str, tuple[Strategy, bool]]:
    """Name to a strategy of 10,000 epochs, and whether it is told scores."""
    many, two = {"budget": 3000}, {"rung_epochs": (12, 200)}
    full = many | {"epochs": 200}
    objectives = (Objective("naswot", True),)
    funnel = {"objectives": objectives, "retrain": 1}
    one = funnel | {"rung_epochs": (200,)}
    steep = funnel | two | {"eta": 16}
    guided = {"guided": 30, "mutants": 10}
    return {
        "random": (STRATEGIES["random"](**full), False),
        "regularised_evolution": (STRATEGIES["regularised_evolution"](**full), False),
        "predictor_guided": (STRATEGIES["predictor_guided"](**full), False),
        "predictor_guided, scores": (STRATEGIES["predictor_guided"](**full, screen=10), True),
        "hyperband, eta 3": (STRATEGIES["hyperband"](**many, **two), False),
        "hyperband, eta 16": (STRATEGIES["hyperband"](**many, **two, eta=16), False),
        "bohb, eta 3": (STRATEGIES["bohb"](**many, **two), False),
        "bohb, eta 16": (STRATEGIES["bohb"](**many, **two, eta=16), False),
        "filter": (STRATEGIES["funnel"](budget=1000, shortlist=49, **one), True),
        "halving": (STRATEGIES["funnel"](budget=400, shortlist=400, **steep), True),
        "optimisation": (
            STRATEGIES["funnel"](budget=319, shortlist=19, **one, **guided),
            True,
        ),
        "filter, halving": (STRATEGIES["funnel"](budget=1000, shortlist=400, **steep), True),
        "filter, hyperband": (
            STRATEGIES["funnel"](budget=1000, shortlist=400, **steep, hyperband=True),
            True,
        ),
        "filter, optimisation": (
            STRATEGIES["funnel"](budget=1000, shortlist=19, **one, **guided),
            True,
        ),
        "halving, optimisation": (
            STRATEGIES["funnel"](budget=460, shortlist=160, **steep, **guided),
            True,
        ),
        "filter, halving, optimisation": (
            STRATEGIES["funnel"](budget=1000, shortlist=160, **steep, **guided),
            True,
        ),
    }


def searches(options: argparse.Namespace, done: set[Key]) -> Iterator[list[Row]]:
    """The rows of one run after another; all strategies run once before any runs again."""
    table = nascout.benchmark("nasbench201", options.table)
    columns = pd.read_parquet(options.table)
    known = {
        name: columns[column].to_numpy(dtype=float).clip(-1e9, None)
        for name, column in KNOWN.items()
    }
    lookups = {
        (dataset, told, cost): Lookup(
            table,
            dataset=dataset,
            known=known if told else None,
            epoch_seconds=1.0,
            score_seconds=cost,
        )
        for dataset in FINAL
        for told in (False, True)
        for cost in (0.0, SCORE_EPOCHS)
    }
    parts = {"evaluations": by_evaluations(), "epochs": by_epochs()}
    for run, part, dataset in product(range(options.runs), parts, FINAL):
        for name, (strategy, told) in parts[part].items():
            if (part, dataset, name, run) in done:
                continue
            by_time = part == "epochs"
            lookup = lookups[dataset, told, SCORE_EPOCHS if by_time and told else 0.0]
            limit = float(EPOCHS) if by_time else float("inf")
            history = simulate(strategy, lookup, seed=run, seconds=limit, space=SPACE)
            ends = [i + 1 for i, trial in enumerate(history) if trial.proposal.epochs == 200]
            cuts = {EPOCHS: len(history)} if by_time else {n: ends[n - 1] for n in COUNTS}
            row = {"part": part, "dataset": dataset, "strategy": name, "run": run}
            yield [
                row | {"checkpoint": checkpoint} | judged(table, strategy, dataset, history[:cut])
                for checkpoint, cut in cuts.items()
            ]


def judged(table: Benchmark, strategy: Strategy, dataset: str, history: Sequence[Trial]) -> Row:
    """The best so far, and what it cost."""
    best = leader(history, strategy.objectives)
    assert best is not None
    final = FINAL[dataset]
    return {
        "val": best.values["val_accuracy"],
        "test": table.query(best.architecture, dataset=final, split="test", epochs=200),
        "trainings": sum(trial.stage == "train" for trial in history),
        "scored": sum(trial.stage == "score" for trial in history),
        "epochs": round(sum(trial.seconds for trial in history)),
    }


def pools(options: argparse.Namespace, done: set[Key]) -> Iterator[list[Row]]:
    """Ten random cells, then batches of ten by the predictor, among those that have scores."""
    variants = {
        "random": (False, ""),
        "decisions": (False, "mse"),
        "decisions, pairwise": (False, "pairwise"),
        "decisions and scores": (True, "mse"),
        "decisions and scores, pairwise": (True, "pairwise"),
    }
    for dataset, frame in pd.read_parquet(options.scores).groupby("dataset"):
        cells = [SPACE.parse(text) for text in frame["arch_str"]]
        accuracy = dict(zip(cells, frame["val_accuracy"], strict=True))
        scores = dict(zip(cells, frame[REFERENCE.split()].to_dict("records"), strict=True))
        for run, (name, (told, loss)) in product(range(options.runs), variants.items()):
            if ("scores", dataset, name, run) in done:
                continue
            chosen = chosen_cells(accuracy, scores if told else {}, loss, run)
            row = {"part": "scores", "dataset": dataset, "strategy": name, "run": run}
            found = {count: max(accuracy[cell] for cell in chosen[:count]) for count in POOL_COUNTS}
            yield [
                row
                | {"checkpoint": count, "val": best}
                | {"rank": sum(value > best for value in accuracy.values()) + 1}
                for count, best in found.items()
            ]


def chosen_cells(
    accuracy: Mapping[Architecture, float],
    scores: Mapping[Architecture, Mapping[str, float]],
    loss: str,
    run: int,
) -> list[Architecture]:
    """The cells that are trained, in order; random ones without ``loss``."""
    rng = random.Random(run)
    order = rng.sample(list(accuracy), len(accuracy))
    if not loss:
        return order[: POOL_COUNTS[-1]]
    guide = Guide(SPACE, GuideKnobs(loss=loss))
    for cell, values in scores.items():
        guide.scored(cell, values)
    chosen: list[Architecture] = []
    left = dict.fromkeys(order)
    while len(chosen) < POOL_COUNTS[-1]:
        if len(chosen) % 10 == 0:
            guide.know()
        chosen.append(next(iter(left)) if len(chosen) < 10 else guide.choose([*left], 200, rng))
        del left[chosen[-1]]
        guide.evaluated(chosen[-1], 200, -accuracy[chosen[-1]])
    return chosen


def main() -> None:
    """Run what the CSV lacks, a row per run and checkpoint; print means and deviations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--scores", type=Path, help="reference scores of some cells")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/model_based.csv"))
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.read_csv(options.out) if options.out.exists() else pd.DataFrame(columns=FIELDS)
    done = {
        tuple(key) for key in frame[["part", "dataset", "strategy", "run"]].drop_duplicates().values
    }
    parts = [*([pools(options, done)] if options.scores else []), searches(options, done)]
    for rows in chain(*parts):
        more = pd.DataFrame(rows, columns=FIELDS)
        frame = pd.concat([frame, more]) if len(frame) else more
        frame.round(4).to_csv(options.out, index=False)
    groups = frame.groupby(["part", "dataset", "strategy", "checkpoint"], sort=False)
    summary = groups[["val", "test", "rank", "trainings", "scored"]].mean()
    summary.insert(1, "val_std", groups["val"].std())
    summary.insert(3, "test_std", groups["test"].std())
    print(summary.round(2).to_string())


if __name__ == "__main__":
    main()
