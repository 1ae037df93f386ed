"""Who comes first how often: mean ranks over blocks, and how far apart means something."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from nascout.benchmark.bootstrap import Floats

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Ranks", "critical_difference", "mean_ranks", "rank_blocks", "ranking"]


@dataclass(frozen=True)
class Ranks:
    """Mean ranks at one budget.

    Attributes:
        mean: by strategy, best first; 1 is the best rank.
        blocks: how many rankings they are means of: data sets times seeds.
        difference: mean ranks closer than this cannot be told apart (Nemenyi, 5 %).
        p: of Friedman's test that all strategies are alike.
    """

    mean: dict[str, float]
    blocks: int
    difference: float
    p: float


def rank_blocks(values: Floats) -> Floats:
    """The rank of each column in each row: 1 for the largest, equals share their mean, NaN is last.

    >>> rank_blocks(np.array([[3.0, 1.0, 3.0], [1.0, np.nan, 2.0]])).tolist()
    [[1.5, 3.0, 1.5], [2.0, 3.0, 1.0]]
    """
    worth = np.where(np.isnan(values), -np.inf, values)
    return np.asarray(stats.rankdata(-worth, axis=1), dtype=float)


def critical_difference(strategies: int, blocks: int, alpha: float = 0.05) -> float:
    """Nemenyi's: ``q sqrt(k (k + 1) / (6 n))``, q the studentized range over the root of 2.

    Demšar, Statistical comparisons of classifiers over multiple data sets (2006), section 3.2.2.

    >>> round(critical_difference(4, 14), 2)                                # his example: 1.25
    1.25
    """
    q = float(stats.studentized_range.ppf(1 - alpha, strategies, math.inf)) / math.sqrt(2)
    return q * math.sqrt(strategies * (strategies + 1) / (6 * blocks))


def ranking(runs: pd.DataFrame, by: str) -> Ranks:
    """Rank strategies within every data set and seed.

    The blocks are the runs of these data sets: what is significant holds for more runs on them,
    not for other data sets.

    Args:
        runs: one row per strategy, data set and seed, of one budget.
        by: the column to rank by, the higher the better.
    """
    table = runs.pivot(index=["dataset", "seed"], columns="strategy", values=by)
    ranks = rank_blocks(table.to_numpy(float))
    n, k = ranks.shape
    mean = dict(zip(map(str, table.columns), ranks.mean(axis=0).tolist(), strict=True))
    return Ranks(
        dict(sorted(mean.items(), key=lambda pair: pair[1])),
        n,
        critical_difference(k, n) if k > 1 else math.nan,
        _friedman(ranks),
    )


def _friedman(ranks: Floats) -> float:
    """The p value of Friedman's test with correction for ties; 1 if nothing differs."""
    n, k = ranks.shape
    spread = float(((ranks - (k + 1) / 2) ** 2).sum())
    if k < 2 or n < 2 or not spread:
        return math.nan if k < 2 or n < 2 else 1.0
    between = float(((ranks.mean(axis=0) - (k + 1) / 2) ** 2).sum())
    return float(stats.chi2.sf(n**2 * between * (k - 1) / spread, k - 1))


def mean_ranks(runs: pd.DataFrame, by: str) -> pd.DataFrame:
    """:func:`ranking` at every budget: ``budget``, ``strategy``, ``mean_rank``, ``blocks``,
    ``critical_difference``, ``friedman_p``."""
    import pandas as pd

    rows = []
    for budget, block in runs.groupby("budget"):
        found = ranking(block, by)
        rows += [
            (budget, name, rank, found.blocks, found.difference, found.p)
            for name, rank in found.mean.items()
        ]
    return pd.DataFrame(
        rows,
        columns=["budget", "strategy", "mean_rank", "blocks", "critical_difference", "friedman_p"],
    )
