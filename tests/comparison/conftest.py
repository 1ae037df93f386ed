"""A space of 12 architectures and a table of them, small enough for closed forms."""

from dataclasses import dataclass

import numpy as np
import pytest

from nascout.benchmark import Benchmark
from nascout.benchmark.measure import Measure
from nascout.comparison import Protocol, open_arenas
from nascout.comparison.arena import settle
from nascout.graph import Builder
from nascout.graph.ops import Conv2d
from nascout.space import SPACES, Choice, Space

LETTERS = tuple(Choice(f"x{i}", tuple("abcd"[: 4 - i])) for i in range(2))  # 4 * 3
# The order of the first training, of the last one, and on the test part all differ.
SHORT = np.array([5.0, 9, 1, 7, 3, 11, 2, 8, 4, 10, 6, 12])
LONG = 50 + 2 * np.array([9.0, 4, 1, 10, 3, 12, 2, 7, 5, 8, 6, 11])
TEST = 40 + 3 * np.array([6.0, 5, 2, 9, 1, 10, 3, 8, 4, 12, 7, 11])
SIZES = np.array([3.0, 12, 7, 1, 10, 5, 8, 2, 11, 4, 9, 6])


@dataclass(frozen=True)
class Letters(Space):
    name = "letters"
    classes: int = 2
    input_shape: tuple[int, int, int] = (1, 4, 4)

    @property
    def decisions(self):
        return LETTERS

    def graph(self, architecture):
        g = Builder()
        x = g.input(self.input_shape)
        for place, letter in enumerate(architecture.values):
            x = g.chain((Conv2d("abcd".index(letter) + 1, 1),), x, key=f"x{place}")
        return g.graph(x)


class Table(Benchmark):
    """Two data sets: ``one``, and ``two`` whose validation part is called ``two-valid``."""

    def __init__(self):
        accuracy = {"metric": "accuracy", "higher_is_better": True, "seed": "mean"}
        self.columns = {}
        measures = {}
        for name, home in (("one", "one"), ("two", "two-valid")):
            for column, values, where in (
                ("short", SHORT, {"dataset": home, "split": "val", "epochs": 10}),
                ("long", LONG, {"dataset": home, "split": "val", "epochs": 20}),
                ("test", TEST, {"dataset": name, "split": "test", "epochs": 20}),
            ):
                measures[f"{name}/{column}"] = Measure(**accuracy, **where)
                self.columns[f"{name}/{column}"] = values if name == "one" else values / 2
        super().__init__("letters", "letters", measures)

    def notations(self):
        return list(map(str, Letters()))

    def load(self, column):
        return self.columns[column]


@pytest.fixture(autouse=True)
def letters(monkeypatch):
    """The space has a name as long as a test lasts."""
    monkeypatch.setitem(SPACES._entries, "letters", Letters)


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def arena(table):
    """``arena(datasets=..., unit=..., budgets=..., ...)``: the first one of such a protocol."""

    def make(known=None, **given):
        options = {"datasets": ("one",), "unit": "evaluations", "budgets": (12.0,)} | given
        protocol = settle(table, Protocol(**options))
        columns = dict.fromkeys(protocol.datasets, known or {})
        return open_arenas(table, protocol, columns)[protocol.datasets[0]]

    return make
