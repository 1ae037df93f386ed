"""A space whose optimum is known, and the fold of a strategy over it."""

import pytest

from nascout.graph import Builder
from nascout.graph.ops import Conv2d
from nascout.records import Outcome
from nascout.search import Stop, Trial, generator
from nascout.space import Choice, Space


class Grid(Space):
    """``decisions`` numbers from 0 to ``options - 1``. Not registered."""

    name = "grid"
    classes, input_shape = 2, (1, 4, 4)

    def __init__(self, decisions, options):
        self.numbers = tuple(map(str, range(options)))
        self.decisions = tuple(Choice(f"x{i}", self.numbers) for i in range(decisions))

    decisions = ()

    def parameters(self):
        return {"decisions": len(self.decisions), "options": len(self.numbers)}

    def graph(self, architecture):
        """A chain of convolutions; the numbers are in their widths."""
        g = Builder()
        x = g.input(self.input_shape)
        for place, number in enumerate(point(architecture)):
            x = g.chain((Conv2d(number + 1, 1),), x, key=f"x{place}")
        return g.graph(x)

    def __eq__(self, other):
        return type(self) is type(other) and self.parameters() == other.parameters()

    def __hash__(self):
        return hash(tuple(self.parameters().values()))


def point(architecture):
    """The numbers that an architecture of the grid stands for."""
    return tuple(map(int, architecture.values))


def play(strategy, space, value, seed=0, limit=5000):
    """Fold to the end, told step by step. ``value``: of a point; None fails.

    Scores and validation accuracies are both ``value``, or a dict of metrics by itself.
    """
    state, history = strategy.start(space), []
    while not isinstance(answer := state.ask(generator(seed, history)), Stop):
        found = value(point(answer.architecture))
        outcome = Outcome.FAILED if found is None else Outcome.OK
        if not isinstance(found, dict):
            found = {} if found is None else {"independence": found, "val_accuracy": found}
        history.append(Trial(len(history), answer, outcome, found))
        state.tell(history[-1])
        assert len(history) < limit
    return history, answer


@pytest.fixture(name="grid", scope="session")
def _grid():
    return Grid


@pytest.fixture(name="play", scope="session")
def _play():
    return play


@pytest.fixture(name="point", scope="session")
def _point():
    return point


@pytest.fixture(scope="session")
def points():
    """The points of the trials of one stage, in order."""

    def of(history, stage):
        return [point(trial.architecture) for trial in history if trial.stage == stage]

    return of
