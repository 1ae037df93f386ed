"""A score's fast way for many graphs gives what it gives each network alone."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import cache
from itertools import zip_longest
from typing import Final

import torch

from nascout.errors import UnsupportedNetwork
from nascout.graph import Graph
from nascout.network import build
from nascout.score.card import Card
from nascout.space import SPACES
from nascout.testing.rewritten import rewritten
from nascout.testing.unchanged import equal

__all__ = ["check_at_once"]

CELLS: Final = "nasbench201"
# No path leads from the input to the output.
DEAD: Final = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
# Small networks: sums, pools and zeros; concatenations and cut channels; gates and strides.
POPULATIONS: Final = (
    (CELLS, {"channels": 4, "cells": 1, "input_shape": (3, 8, 8)}, 4),
    ("nasbench101", {"channels": 8, "stacks": 2, "cells": 1, "input_shape": (3, 8, 8)}, 2),
    ("mnasnet", {"input_shape": (3, 32, 32)}, 1),
)
PLENTY: Final = 2**28


def check_at_once(card: Card) -> None:
    """Check that ``card.at_once`` keeps its contract.

    It gives one value per graph, in order, equal to that of the network built from the graph (to
    1e-6, in float64), whatever the memory and the other graphs; or an UnsupportedNetwork, but not
    for all. The batch and torch's generator stay as they are.

    Raises:
        AssertionError: which promise is broken, and on which space's networks.
    """
    answered = 0
    for name, options, members in POPULATIONS:
        space = SPACES[name](**options)
        graphs = [space.sample(random.Random(seed)).graph() for seed in range(members)]
        if name == CELLS:
            graphs += [space.parse(DEAD).graph(), rewritten(graphs[0])]
        # One twice: what is shared may not be used up.
        answered += _agrees(card, name, [*graphs, graphs[0]])
    assert answered, f"{card.name} knows no graph at once"


def _agrees(card: Card, name: str, graphs: Sequence[Graph]) -> int:
    """How many graphs it has a value for."""
    generator = torch.Generator().manual_seed(0)
    shape = graphs[0].shapes[graphs[0].inputs[0]]
    x = torch.randn(8, *shape, generator=generator, dtype=torch.float64)
    y = torch.arange(8) % 4
    before, state = x.clone(), torch.get_rng_state()
    values = list(card.at_once(graphs, x, y, seed=1, memory=PLENTY)) if card.at_once else []
    few = graphs[: len(graphs) // 2]
    little = list(card.at_once(few, x, y, seed=1, memory=1)) if card.at_once else []
    assert equal(x, before), f"{card.name} at once changes the batch on {name}"
    assert torch.equal(torch.get_rng_state(), state), f"{card.name} at once draws from torch"
    for found, given in ((values, graphs), (little, few)):
        assert len(found) == len(given), (
            f"{card.name} gives {len(found)} values for {len(given)} graphs of {name}"
        )
    known = 0

    @cache
    def scored(graph: Graph) -> float:
        return card(build(graph, 1, dtype=torch.float64), x, y)

    for graph, *found in zip_longest(graphs, values, little):
        answers = [one for one in found if not isinstance(one, UnsupportedNetwork | None)]
        alone = scored(graph) if answers else math.nan
        for value in answers:
            assert _close(value, alone), (
                f"{card.name} of a {name} network is {alone}, and {value} at once"
            )
        known += len(answers)
    return known


def _close(value: float, alone: float) -> bool:
    same = value == alone or (math.isnan(value) and math.isnan(alone))
    return same or math.isclose(value, alone, rel_tol=1e-6, abs_tol=1e-12)
