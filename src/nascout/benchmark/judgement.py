"""All statistics of several scores against one accuracy, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from nascout.benchmark.agreement import agreement
from nascout.benchmark.bootstrap import Estimate, Floats
from nascout.benchmark.picks import picks

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DRAWS", "TOPS", "judge"]

DRAWS = (10, 100, 1000)
TOPS: Mapping[str, float] = {"top1": 0.01, "top5": 0.05, "top10": 0.10}
FEWEST = 10  # rows that a correlation says anything about
UNKNOWN = Estimate(nan, nan, nan)
CORRELATED = ("", "top10", "top5")  # among all, and among the best


def judge(
    scores: Mapping[str, Floats],
    accuracy: Floats,
    thresholds: Mapping[str, float],
    *,
    draws: Sequence[int] = DRAWS,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per score, best Spearman first, then the rows ``oracle`` and ``random``.

    Args:
        scores: (rows,) each, better the higher; what is not finite has failed.
        accuracy: (rows,), finite.
        thresholds: the least accuracy of the true top 1, 5 and 10 %, by the names in ``TOPS``.
        draws: the N of which the best score is picked.
        resamples: bootstrap resamples per statistic.
        seed: of the resampling; all scores see the same resamples.

    Returns:
        Columns ``score``, ``count``, ``failed``; ``kendall``, ``spearman`` and
        ``distance_correlation`` over all rows, with ``_top10`` and ``_top5`` among the truly best
        (``count_top10`` and ``count_top5`` rows; NaN for fewer than ten); ``pickN_accuracy``,
        ``pickN_accuracy_std`` and ``pickN_in_top1``, ``_top5``, ``_top10``. Each but the counts and
        standard deviations is followed by its interval, ``_low`` and ``_high``. Failed rows are
        left out of correlations and come last in picks. The oracle picks by the
        accuracy itself, ``random`` picks any.

    >>> truth = np.arange(20.0)
    >>> bars = {"top1": 19.0, "top5": 19.0, "top10": 18.0}
    >>> table = judge({"good": truth**3}, truth, bars, draws=(10,), resamples=20)
    >>> table[["score", "kendall", "pick10_accuracy"]].round(2).values.tolist()
    [['good', 1.0, 18.09], ['oracle', nan, 18.09], ['random', nan, 9.5]]
    """
    import pandas as pd

    def row(name: str, score: Floats, correlated: Sequence[str]) -> dict[str, Any]:
        failed = int((~np.isfinite(score)).sum())
        content: dict[str, Any] = {"score": name, "count": len(score) - failed, "failed": failed}
        for top in correlated:
            kept = accuracy >= thresholds[top] if top else np.full(len(score), True)
            found = agreement(score[kept], accuracy[kept], resamples=resamples, seed=seed)
            suffix = f"_{top}" if top else ""
            content |= {f"count{suffix}": found.count}
            for measure in ("kendall", "spearman", "distance_correlation"):
                known = getattr(found, measure) if found.count >= FEWEST else UNKNOWN
                content |= _columns(f"{measure}{suffix}", known)
        for n in draws:
            got = picks(score, accuracy, n, thresholds, resamples=resamples, seed=seed)
            if got is not None:
                content |= _columns(f"pick{n}_accuracy", got.accuracy)
                content |= {f"pick{n}_accuracy_std": got.spread}
                for top, chance in got.in_top.items():
                    content |= _columns(f"pick{n}_in_{top}", chance)
        return content

    rows = [row(name, score, CORRELATED) for name, score in scores.items()]
    rows.sort(key=lambda one: -np.nan_to_num(one["spearman"], nan=-np.inf))
    # Their correlations would be 1 and 0 by definition.
    rows += [row("oracle", accuracy, ()), row("random", np.zeros_like(accuracy), ())]
    return pd.DataFrame(rows)


def _columns(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
