"""The tables of a comparison: means, ranks, and medians over the course of the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nascout.comparison.arena import Arena
from nascout.comparison.protocol import Protocol

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OPTIMUM", "TEST", "VAL", "asked_frame", "judged_by", "summarise"]

OPTIMUM = "optimum"
VAL, TEST = "retrained_val_accuracy", "test_accuracy"
COSTS = ("trainings", "scores", "seconds")


def asked_frame(
    rows: Sequence[Any], kind: type[Any], labels: Sequence[str], protocol: Protocol, seeds: range
) -> pd.DataFrame:
    """Those of ``rows`` that were asked for, by data set, budget, strategy and seed.

    Args:
        rows: of a :class:`nascout.comparison.run_file.RunFile`.
        kind: what they are, :class:`nascout.comparison.one_run.Result` or ``Lead``.
        labels: strategies, in the order wanted.
        protocol: for its data sets.
        seeds: of the runs.
    """
    import pandas as pd

    frame = pd.DataFrame(rows, columns=kind._fields)
    frame = frame[
        frame["strategy"].isin(labels)
        & frame["dataset"].isin(protocol.datasets)
        & frame["seed"].isin(seeds)
    ]
    order = frame.assign(
        dataset=frame["dataset"].map(list(protocol.datasets).index),
        strategy=frame["strategy"].map(list(labels).index),
    )
    keys = [name for name in ("dataset", "budget", "strategy", "seed") if name in frame]
    return frame.loc[order.sort_values(keys, kind="stable").index].reset_index(drop=True)


def judged_by(runs: pd.DataFrame) -> str:
    """The accuracy that strategies are ranked by: on the test part, if the table has it."""
    return VAL if runs[TEST].isna().all() else TEST


def summarise(runs: pd.DataFrame, arenas: Mapping[str, Arena]) -> pd.DataFrame:
    """One row per data set, budget and strategy, then the best of the whole table.

    Args:
        runs: one row per run and budget.
        arenas: by data set.

    Returns:
        Columns ``dataset``, ``budget``, ``strategy``, ``runs``, mean and standard deviation over
        runs (n - 1 in the denominator) of both final accuracies, ``failed`` (runs in which nothing
        succeeded; they are left out of means), and the mean number of ``trainings``, ``scores``
        and simulated ``seconds``. The optimum is one row, not a mean.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for (dataset, budget), block in runs.groupby(["dataset", "budget"], sort=False):
        for strategy, group in block.groupby("strategy", sort=False):
            about = {"dataset": dataset, "budget": budget, "strategy": strategy, "runs": len(group)}
            rows.append(about | _statistics(group))
        best = arenas[str(dataset)].optimum
        val, test = arenas[str(dataset)].val[best], arenas[str(dataset)].test[best]
        about = {"dataset": dataset, "budget": budget, "strategy": OPTIMUM, "runs": 1}
        rows.append(about | {VAL: val, f"{VAL}_std": np.nan, TEST: test, "failed": 0})
    return pd.DataFrame(rows)


def _statistics(group: pd.DataFrame) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in (VAL, TEST):
        found |= {name: group[name].mean(), f"{name}_std": group[name].std()}
    found["failed"] = int((group["architecture"] == "").sum())
    return found | {name: group[name].mean() for name in COSTS}
