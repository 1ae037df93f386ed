"""A space that refuses some combinations: nothing it proposes is one of them."""

import random
from collections import Counter

import pytest

from nascout.errors import ArchitectureError
from nascout.graph import Builder
from nascout.graph.ops import GlobalAvgPool, Linear
from nascout.space import SPACES, Architecture, Choice, space
from nascout.space.constrained import Constrained
from nascout.testing.space import check_space

DIGITS = ("0", "1", "2")


@pytest.fixture(scope="module")
def toy():
    """Two digits that differ: six of nine."""

    @space("unequal")
    class Unequal(Constrained):
        classes: int = 2
        input_shape: tuple[int, int, int] = (1, 2, 2)
        decisions = (Choice("a", DIGITS), Choice("b", DIGITS))

        def check(self, choices):
            if choices["a"] == choices["b"]:
                raise ArchitectureError("a equals b", "Choose another b.")

        def graph(self, architecture):
            g = Builder()
            x = g.input(self.input_shape)
            return g.graph(g.chain((GlobalAvgPool(), Linear(2)), x, key="head"))

    yield Unequal()
    SPACES._entries.pop("unequal")


def test_it_conforms_and_counts_what_is_allowed(toy):
    check_space(toy, samples=20)
    assert toy.size == 6
    assert {a.values for a in toy} == {(a, b) for a in DIGITS for b in DIGITS if a != b}


def test_what_is_refused_cannot_be_made(toy):
    text = next(iter(toy)).to_json().replace('["0", "1"]', '["1", "1"]')
    for make in (
        lambda: Architecture(toy, ("1", "1")),
        lambda: toy.parse("a=1,b=1"),
        lambda: toy.decode([0, 1, 0, 0, 1, 0]),
        lambda: Architecture.from_json(text),
    ):
        with pytest.raises(ArchitectureError, match=r"a equals b\. Choose another b\."):
            make()


def test_samples_are_uniform_among_the_allowed(toy):
    rng, n = random.Random(0), 3000
    counts = Counter(toy.sample(rng).values for _ in range(n))
    assert len(counts) == 6
    assert all(abs(c / n - 1 / 6) < 5 * (5 / 36 / n) ** 0.5 for c in counts.values())


def test_neighbours_and_mutants(toy):
    one = toy.parse("a=0,b=1")
    near = {a.values for a in toy.neighbours(one)}
    assert near == {("2", "1"), ("0", "2")}
    rng = random.Random(0)
    assert {toy.mutate(one, rng).values for _ in range(100)} == near


def test_children_are_allowed(toy):
    rng = random.Random(0)
    parents = toy.parse("a=0,b=1"), toy.parse("a=1,b=2")
    children = {toy.crossover(*parents, rng).values for _ in range(100)}
    assert children == {("0", "1"), ("0", "2"), ("1", "2")}
