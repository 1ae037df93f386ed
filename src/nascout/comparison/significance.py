"""Which differences between two strategies are more than chance."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from nascout.benchmark.bootstrap import Floats

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["holm", "pairs", "signed_rank", "win_probability"]

COLUMNS = ("budget", "dataset", "strategy", "other", "runs", "difference", "wins", "p", "p_holm")


def signed_rank(difference: Floats) -> float:
    """Two-sided p of Wilcoxon's signed rank test; pairs without a difference are left out.

    1 if none is left. Exact for few pairs without ties, by scipy.

    >>> signed_rank(np.array([1.0, 2, 3, 4, 5]))  # 2 of the 32 signs are as extreme
    0.0625
    """
    left = difference[difference != 0]
    return float(stats.wilcoxon(left).pvalue) if len(left) else 1.0


def win_probability(one: Floats, other: Floats) -> float:
    """How often ``one`` is larger, pair by pair; equals count half.

    >>> win_probability(np.array([3.0, 1, 2]), np.array([1.0, 2, 2]))
    0.5
    """
    return float(np.mean((one > other) + 0.5 * (one == other)))


def holm(p: Floats) -> Floats:
    """Holm's step-down correction: (n,) p values that may be held against one level together.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    steps = np.arange(len(p), 0, -1) * p[order]
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected


def pairs(runs: pd.DataFrame, by: str) -> pd.DataFrame:
    """Every pair of strategies at every budget on every data set, run by run of equal seed.

    Args:
        runs: one row per strategy, data set, budget and seed.
        by: the column that is compared, the higher the better; a failed run (NaN) loses.

    Returns:
        ``budget``, ``dataset``, ``strategy``, ``other``, ``runs``, mean ``difference``, ``wins``
        (see :func:`win_probability`), ``p`` (see :func:`signed_rank`), and ``p_holm``, corrected
        for all pairs of this budget and data set.
    """
    import pandas as pd

    rows = []
    for (budget, dataset), block in runs.groupby(["budget", "dataset"], sort=False):
        table = block.pivot(index="seed", columns="strategy", values=by)
        table = table[list(dict.fromkeys(block["strategy"]))].fillna(-math.inf)
        found = []
        for one, other in combinations(table.columns, 2):
            x, y = table[one].to_numpy(), table[other].to_numpy()
            with np.errstate(invalid="ignore"):
                difference = np.where(x == y, 0.0, x - y)
            found.append(
                (
                    one,
                    other,
                    len(x),
                    difference.mean(),
                    win_probability(x, y),
                    signed_rank(difference),
                )
            )
        corrected = holm(np.array([row[-1] for row in found]))
        rows += [(budget, dataset, *row, p) for row, p in zip(found, corrected, strict=True)]
    return pd.DataFrame(rows, columns=COLUMNS)
