"""Scores made of other scores' ranks: votes and log-rank sums over a population."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from scipy.stats import rankdata

from nascout.registry import Registry
from nascout.score.card import SCORES, Card, Needs

__all__ = ["COMPOSITES", "Composite"]

Rule = Literal["vote", "log rank"]
NEEDS: Final[tuple[Needs, ...]] = ("network", "inputs", "labels")
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Composite:
    """A score of each member of a population, from the members' ranks in other scores.

    Args:
        name: what it is called.
        parts: the scores it is made of, each with its weight.
        rule: how the ranks are joined. ``"vote"``: the weighted share of scores that prefer a
            member, averaged over all the other members (half a vote for a tie). ``"log rank"``:
            the weighted sum of log(rank / n), ranks from 1 (worst) to n, ties sharing their mean.
        paper: where it was proposed.
        summary: what it is, in a line.

    A member whose part is not finite is ranked last in that part. There is no value for a network
    on its own: what a rank says depends on who else is ranked.

    >>> both = Composite("both", (("params", 1.0), ("naswot", 1.0)), "log rank")
    >>> both.join({"params": [1, 2, 3], "naswot": [5.0, float("nan"), 7.0]}).round(3).tolist()
    [-1.504, -1.504, 0.0]
    """

    name: str
    parts: tuple[tuple[str, float], ...]
    rule: Rule
    paper: str = ""
    summary: str = ""
    higher_is_better: bool = True

    @property
    def cards(self) -> tuple[Card, ...]:
        """The cards of the parts."""
        return tuple(SCORES[name] for name, _ in self.parts)

    @property
    def needs(self) -> Needs:
        """What the most demanding part needs."""
        return max((card.needs for card in self.cards), key=NEEDS.index)

    def join(self, values: Mapping[str, Sequence[float]]) -> Floats:
        """One value per member, from the parts' values by name; higher is better."""
        weights = np.array([weight for _, weight in self.parts])
        ranks = np.array(
            [
                _ranks(np.asarray(values[card.name], float), card.higher_is_better)
                for card in self.cards
            ]
        )
        n = ranks.shape[1]
        if self.rule == "log rank":
            return np.asarray(weights @ np.log(ranks / n), float)
        # A mean rank of r means r - 1 members beaten, ties counted half.
        return np.asarray(weights @ (ranks - 1) / (weights.sum() * max(n - 1, 1)), float)


def _ranks(values: Floats, higher_is_better: bool) -> Floats:
    """1 for the worst, ties sharing their mean; what is not finite shares the last place."""
    worth = values if higher_is_better else -values
    return np.asarray(rankdata(np.where(np.isfinite(values), worth, -math.inf)), float)


def _declared(*composites: Composite) -> Registry[Composite]:
    registry: Registry[Composite] = Registry("composite")
    for one in composites:
        registry.add(one.name, one)
    return registry


COMPOSITES: Final = _declared(
    Composite(
        "vote",
        (("synflow", 1.0), ("jacob_cov", 1.0), ("snip", 1.0)),
        "vote",
        "arXiv:2101.08134",
        "Votes of synflow, jacob_cov and snip.",
    ),
    Composite(
        "synflow_jacob_params",
        (("synflow", 1.0), ("jacob_cov", 1.0), ("params", 1.0)),
        "log rank",
        summary="Log-rank sum of synflow, jacob_cov and params.",
    ),
    Composite(
        "scout",
        # Independence, the best alone, counts as much as the other three together.
        (("independence", 3.0), ("diversity", 1.0), ("jacob_cov", 1.0), ("synflow", 1.0)),
        "log rank",
        summary="Log-rank sum of independence (three times), diversity, jacob_cov and synflow.",
    ),
    Composite(
        "tenas",
        (("ntk", 1.0), ("linear_regions", 1.0)),
        "vote",
        "arXiv:2102.11535",
        "TE-NAS: ranks of the NTK's condition number and of the linear regions.",
    ),
    Composite(
        "nasgraph_jacob",
        (("nasgraph", 1.0), ("jacob_cov", 1.0)),
        "vote",
        "arXiv:2405.01306",
        "NASGraph's average degree with jacob_cov.",
    ),
)
