"""Many architectures by one score: together where the score can, one at a time where not."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from torch import Tensor

from nascout.errors import GraphError, UnsupportedNetwork
from nascout.graph import Graph
from nascout.network.memory import is_out_of_memory
from nascout.records import Outcome, Score
from nascout.score.card import Card
from nascout.score.inputs import Inputs
from nascout.space import Architecture

__all__ = ["MEMORY", "mean_score", "scores_at_once"]

MEMORY: Final = 2**30


def scores_at_once(
    card: Card,
    architectures: Sequence[Architecture],
    x: Inputs | None,
    y: Tensor | None = None,
    *,
    seeds: Collection[int] = (0,),
    memory: int = MEMORY,
) -> Iterator[Score | None]:
    """What ``card.at_once`` says of each architecture, in order, as soon as it is known.

    ``None`` stands for an architecture that has to be scored by itself: the score has no faster
    way, or does not know an operation, or there is too little memory for several at once.

    Args:
        card: a score.
        architectures: of any spaces.
        x, y: the batch and its labels, as the score needs them.
        seeds: of the initialisations to average over.
        memory: bytes of activations that may be held at a time.
    """
    if card.at_once is None:
        return
    graphs = [_graph(one) for one in architectures]
    known = [graph for graph in graphs if graph is not None]
    found = [card.at_once(known, x, y, seed=seed, memory=memory) for seed in seeds]
    for graph in graphs:
        start = time.perf_counter()
        values = [] if graph is None else [_next(one) for one in found]
        numbers = [value for value in values if value is not None]
        if len(numbers) < len(seeds):
            yield None
        else:
            yield mean_score(card, numbers, time.perf_counter() - start)


def mean_score(card: Card, values: Sequence[float], seconds: float) -> Score:
    """The score whose value is the mean; one value that is not finite makes the mean so, too."""
    mean = sum(values) / len(values)
    finite = math.isfinite(mean)
    return Score(
        card.name,
        mean,
        card.higher_is_better,
        Outcome.OK if finite else Outcome.NONFINITE,
        tuple(values),
        "" if finite else f"{card.name} gave {mean}",
        seconds,
    )


def _graph(architecture: Architecture) -> Graph | None:
    try:
        return architecture.graph()
    except GraphError:
        return None


def _next(found: Iterator[float | UnsupportedNetwork]) -> float | None:
    try:
        value = next(found, None)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None
    return None if isinstance(value, UnsupportedNetwork) else value
