"""NEAT at work: growth, protection of what is new, the price of size, and its contract."""

import math
import os
import subprocess
import sys

import pytest

from nascout.graph import graph_cost
from nascout.records import Outcome
from nascout.search import Stop, Trial, generator
from nascout.search.evolution import RegularisedEvolution
from nascout.search.neat import Neat
from nascout.search.random_search import RandomSearch
from nascout.space import Choice
from nascout.space.growing import Growing
from nascout.testing.strategy import check_strategy

SPACE = Growing(channels=4, grown=1, input_shape=(1, 8, 8))
ONE_SPECIES = math.inf


def play(strategy, space, value, seed=0):
    """Fold to the end: the history."""
    state, history = strategy.start(space), []
    while not isinstance(answer := state.ask(generator(seed, history)), Stop):
        found = float(value(answer.architecture))
        values = {"independence": found, "val_accuracy": found}
        history.append(Trial(len(history), answer, Outcome.OK, values))
        state.tell(history[-1])
    return history


def depth(architecture):
    """Layers on the longest way through."""
    genome = architecture.space.genome(architecture)
    deep = {"in": 0}
    for name in genome.live[1:]:
        deep[name] = 1 + max(deep[source] for source in genome.sources(name) if source in deep)
    return deep["out"] - 1


def exclusive_or(architecture):
    """As XOR: nothing is gained before two layers read the input and are read by the output."""
    genome = architecture.space.genome(architecture)
    hidden = [
        name
        for name in genome.layers
        if "in" in genome.sources(name) and name in genome.sources("out")
    ]
    return 1.0 if len(hidden) >= 2 else 0.5


@pytest.mark.slow
def test_it_finds_a_structure_that_needs_two_more_layers():
    histories = [play(Neat(budget=300), SPACE, exclusive_or, seed) for seed in range(8)]
    found = [any(exclusive_or(t.architecture) == 1 for t in history) for history in histories]
    assert sum(found) >= 6


@pytest.mark.slow
def test_graphs_grow_as_deep_as_pays():
    """Random graphs of one mutation on average reach four layers; nothing limits growth."""
    for seed in range(2):
        grown, drawn = (
            max(depth(t.architecture) for t in play(strategy, SPACE, depth, seed))
            for strategy in (Neat(budget=200), RandomSearch(budget=200))
        )
        assert grown >= 9 and drawn <= 6


@pytest.fixture(scope="module")
def deceptive(grid):
    """Two kinds with eight decisions each; the new one is worse until all but few are right."""

    class TwoKinds(grid):
        name = "two_kinds"

        def __init__(self):
            kinds = Choice("kind", ("old", "new"))
            self.numbers = tuple("0123")
            self.decisions = (
                kinds,
                *(
                    Choice(f"{kind}{i}", self.numbers, (("kind", (kind,)),))
                    for kind in kinds.options
                    for i in range(8)
                ),
            )

    def value(architecture):
        kind = architecture.choices["kind"]
        right = sum(architecture.choices[f"{kind}{i}"] == "3" for i in range(8))
        return 10 + right if kind == "old" else 4 * right - 8

    return TwoKinds(), value


@pytest.mark.slow
def test_species_protect_a_new_structure(deceptive):
    """The optimum, 24, is of the new kind, whose first networks are worth about 0, not 12."""
    space, value = deceptive

    def reached(strategy):
        histories = (play(strategy, space, value, seed) for seed in range(10))
        return sum(any(value(t.architecture) == 24 for t in one) for one in histories)

    assert reached(Neat(budget=800)) >= 8
    assert reached(Neat(budget=800, threshold=ONE_SPECIES)) <= 3
    assert reached(RegularisedEvolution(budget=800, population=20, tournament=5)) <= 3


def test_size_has_a_price():
    """The deeper the better by 1 a layer, and ten times the params must be worth 100 layers."""

    def retrained(strategy):
        *scored, last = play(strategy, SPACE, depth)
        params = [graph_cost(t.architecture.graph()).params for t in (*scored, last)]
        assert last.stage == "retrain"
        return depth(last.architecture), params[-1], min(params)

    deep, params, least = retrained(Neat(budget=60))
    assert deep >= 4 and params > least
    _, params, least = retrained(Neat(budget=60, complexity=100.0))
    assert params == least


def test_the_best_of_a_large_species_lives_on_and_is_not_asked_for_again():
    """One species, so its champion has children in every generation after its own."""
    strategy = Neat(budget=60, population=10, threshold=ONE_SPECIES, crossover=0.0, survivors=0.1)
    history = [t for t in play(strategy, SPACE, depth) if t.stage == "score"]
    assert len({t.architecture for t in history}) == 60
    # Ten that are sampled, then nine a generation beside the champion, who is the only parent.
    for start in range(10, 55, 9):
        parent = max(history[:start], key=lambda t: t.values["independence"]).architecture
        near = set(SPACE.neighbours(parent))
        best = [t for t in history[:start] if depth(t.architecture) == depth(parent)]
        if len(best) == 1:
            assert all(t.architecture in near for t in history[start : start + 9])


@pytest.mark.slow
@pytest.mark.parametrize("knobs", [{}, {"epochs": 2}, {"complexity": 1.0, "cost": "macs"}])
def test_it_keeps_the_contract_where_graphs_grow(knobs):
    check_strategy(lambda: Neat(budget=14, population=4, **knobs), SPACE)


SEARCH = """
from nascout.search.neat import Neat
from nascout.space.growing import Growing
from nascout.testing.strategy import _succeeds, fold

space = Growing(channels=4, grown=1, input_shape=(1, 8, 8))
history, _ = fold(Neat(budget=40, population=6), space, 3, _succeeds)
print([str(trial.architecture) for trial in history])
"""


@pytest.mark.slow
def test_another_process_proposes_the_same():
    told = [
        subprocess.run(
            [sys.executable, "-c", SEARCH],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1] and len(told[0]) > 1000
