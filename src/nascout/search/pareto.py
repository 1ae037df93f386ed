"""Non-dominated sorting: which candidates no other one beats on every objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nascout.records import COST_NAMES, Objective

__all__ = ["at_stage", "pareto_ranks"]

ACCURACY = {"train": "val_accuracy", "retrain": "retrained_val_accuracy"}


def at_stage(objectives: Sequence[Objective], stage: str) -> tuple[Objective, ...]:
    """The objectives as they are judged at ``stage``: once trained, accuracy replaces scores.

    >>> at_stage([Objective("naswot", True), Objective("params", False)], "train")
    (Objective(metric='val_accuracy', maximize=True), Objective(metric='params', maximize=False))
    """
    if stage not in ACCURACY:
        return tuple(objectives)
    costs = (objective for objective in objectives if objective.metric in COST_NAMES)
    return Objective(ACCURACY[stage], True), *costs


def pareto_ranks(
    candidates: Sequence[Mapping[str, float]], objectives: Sequence[Objective]
) -> list[int]:
    """The front of each candidate: 0 for the Pareto front, 1 for the front without it, ...

    One candidate dominates another if it is no worse on any objective and better on one. Equal
    candidates share a front. A missing or non-finite metric counts as infinitely bad.

    >>> points = [{"acc": 90, "ms": 5}, {"acc": 80, "ms": 1}, {"acc": 85, "ms": 6}]
    >>> pareto_ranks(points, [Objective("acc", True), Objective("ms", False)])
    [0, 0, 1]
    """
    if not candidates:
        return []
    losses = np.array([[o.loss(values) for o in objectives] for values in candidates])
    no_worse = np.ones((len(losses), len(losses)), dtype=bool)
    better = ~no_worse
    for loss in losses.T:
        no_worse &= loss[:, None] <= loss
        better |= loss[:, None] < loss
    dominates = no_worse & better
    above = dominates.sum(axis=0)  # how many dominate each, of those not ranked yet
    ranks = np.full(len(losses), -1)
    front = 0
    while (first := np.flatnonzero((above == 0) & (ranks < 0))).size:
        ranks[first] = front
        above -= dominates[first].sum(axis=0)
        front += 1
    return [int(rank) for rank in ranks]
