"""The first Pareto front alone, quick enough for every candidate of a large run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nascout.records import Objective

__all__ = ["on_front"]


def on_front(
    candidates: Sequence[Mapping[str, float]], objectives: Sequence[Objective]
) -> list[bool]:
    """Per candidate, whether no other is as good on every objective and better on one.

    The same as rank 0 of :func:`~nascout.search.pareto.pareto_ranks`, without the other ranks.

    >>> points = [{"acc": 90, "ms": 5}, {"acc": 80, "ms": 1}, {"acc": 85, "ms": 6}]
    >>> on_front(points, [Objective("acc", True), Objective("ms", False)])
    [True, True, False]
    """
    losses = np.array([[o.loss(values) for o in objectives] for values in candidates])
    losses = losses.reshape(len(candidates), len(objectives))
    chosen = [False] * len(candidates)
    front = np.empty_like(losses)
    size = 0
    # In lexicographic order nobody is dominated by a later one, and dominance is transitive, so
    # comparing with the front so far is enough.
    for i in sorted(range(len(candidates)), key=lambda i: tuple(losses[i])):
        no_worse = (front[:size] <= losses[i]).all(axis=1)
        better = (front[:size] < losses[i]).any(axis=1)
        if not (no_worse & better).any():
            front[size] = losses[i]
            size += 1
            chosen[i] = True
    return chosen
