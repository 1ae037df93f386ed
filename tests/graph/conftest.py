"""Small random graphs for the tests of this folder."""

import random

import pytest

from nascout.graph import Builder
from nascout.graph.ops import Add, BatchNorm, Concat, Conv2d, Identity, ReLU, Zero


def _small_graph(seed, nodes=7):
    """Few operations, so that many graphs are alike; one or two inputs and outputs."""
    rng = random.Random(seed)
    g = Builder()
    made = [g.input((2, 4, 4), key=f"in{i}") for i in range(rng.choice((1, 1, 2)))]
    widths = [2] * len(made)
    for index in range(rng.randint(2, nodes)):
        op = rng.choice(
            (Conv2d(2, 1), Conv2d(2, 1), ReLU(), Identity(), Zero(), BatchNorm(), Add(), Concat())
        )
        first = rng.randrange(len(made))
        sources = [first]
        if isinstance(op, Add | Concat):
            alike = [i for i in range(len(made)) if widths[i] == widths[first]]
            sources += [rng.choice(alike) for _ in range(rng.randint(1, 2))]
        made.append(g.node(op, *(made[i] for i in sources), key=f"n{index}"))
        widths.append(
            2
            if isinstance(op, Conv2d)
            else sum(widths[i] for i in sources)
            if isinstance(op, Concat)
            else widths[first]
        )
    return g.graph(*rng.sample(made[-3:], rng.choice((1, 1, 2))))


@pytest.fixture(scope="session")
def small_graph():
    """``small_graph(seed, nodes=7)``: a random graph of at most so many nodes."""
    return _small_graph
