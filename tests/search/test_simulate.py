"""Strategies on a table: the clock, what fails, and numbers of an independent re-simulation."""

import math

import numpy as np
import pytest

import nascout
from nascout.benchmark import Benchmark
from nascout.benchmark.measure import Measure
from nascout.errors import ConfigError
from nascout.records import Constraint, Objective, Outcome
from nascout.search import STRATEGIES, Proposal, Trial, generator
from nascout.search.local_search import LocalSearch
from nascout.search.random_search import RandomSearch
from nascout.search.simulate import Lookup, leader, simulate
from nascout.space.nasbench201 import NasBench201

SPACE = NasBench201()
CELLS = [str(cell) for cell in SPACE]
COUNT = len(CELLS)


class Invented(Benchmark):
    """The number of a cell is its accuracy after 10 epochs, and twice that after 20."""

    def __init__(self, *, cells=CELLS, times=True):
        about = {"dataset": "made-up", "seed": 7}
        measures = {
            f"accuracy{e}": Measure(metric="accuracy", split="val", epochs=e, **about)
            for e in (10, 20)
        }
        if times:
            measures |= {
                f"seconds{e}": Measure(metric="train_seconds", epochs=e, **about) for e in (10, 20)
            }
        super().__init__("invented", "nasbench201", measures)
        self.cells = cells

    def notations(self):
        return self.cells

    def load(self, column):
        numbers = np.arange(len(self.cells), dtype=float)
        if column.startswith("accuracy"):
            return np.where(numbers % 10 == 3, math.nan, numbers * float(column[8:]) / 10)
        return np.full(len(self.cells), float(column[7:]) * 2)


def number(trial):
    return CELLS.index(str(trial.architecture))


def test_values_and_seconds_are_the_tables():
    history = simulate(RandomSearch(budget=30, epochs=20), Lookup(Invented()))
    scored, trained = ([t for t in history if t.stage == s] for s in ("score", "train"))
    assert [t.number for t in history] == list(range(60)) and len(scored) == len(trained) == 30
    for trial in trained:
        if number(trial) % 10 == 3:
            assert trial.outcome is Outcome.NONFINITE and not trial.values
        else:
            assert dict(trial.values) == {"val_accuracy": 2.0 * number(trial)}
        assert trial.seconds == 40
    assert {t.outcome for t in trained} == {Outcome.OK, Outcome.NONFINITE}
    assert all(t.seconds == 0 and t.outcome is Outcome.OK for t in scored)


def test_what_would_not_be_finished_in_time_is_not_part():
    """20 s each: 5 in 119 s, 6 in 120."""
    strategy = RandomSearch(budget=100, epochs=10)
    for seconds, count in [(119, 5), (120, 6)]:
        history = simulate(strategy, Lookup(Invented()), seconds=seconds)
        assert sum(t.stage == "train" for t in history) == count
        assert sum(t.seconds for t in history) == 20 * count


def test_assumed_times_take_the_place_of_the_tables():
    lookup = Lookup(Invented(times=False), epoch_seconds=3, score_seconds=0.5)
    history = simulate(RandomSearch(budget=100, epochs=10), lookup, seconds=100)
    assert {(t.stage, t.seconds) for t in history} == {("score", 0.5), ("train", 30.0)}
    assert len(history) == 7  # three of 30.5 s each, and one more score


def test_a_deadline_without_times_is_refused():
    with pytest.raises(ConfigError, match="epoch_seconds"):
        simulate(RandomSearch(), Lookup(Invented(times=False)), seconds=100)


def test_it_proposes_what_the_same_search_would():
    strategy, lookup = LocalSearch(budget=60, epochs=10), Lookup(Invented())
    history = simulate(strategy, lookup, seed=3)
    assert len(history) == 120
    for length in range(0, 120, 7):
        prefix = history[:length]
        assert strategy.ask(SPACE, prefix, generator(3, prefix)) == history[length].proposal


def test_scores_costs_and_constraints():
    """A score that is not finite fails; what breaks a constraint is not trained or counted."""
    score = np.where(np.arange(COUNT) % 7 == 0, -np.inf, np.arange(COUNT))
    lookup = Lookup(
        Invented(),
        known={"independence": score, "params": np.arange(COUNT) // 2},
        constraints=[Constraint.parse("params<=4000")],
    )
    history = simulate(RandomSearch(budget=40, epochs=10), lookup)
    for trial in history:
        n = number(trial)
        if n // 2 > 4000:
            assert trial.stage == "score" and trial.outcome is Outcome.INFEASIBLE
        elif n % 7 == 0:
            assert trial.stage == "score" and trial.outcome is Outcome.NONFINITE
        elif trial.outcome is Outcome.OK:
            assert trial.values["params"] == n // 2 and trial.values["independence"] == n
    assert sum(t.stage == "score" and t.outcome is not Outcome.INFEASIBLE for t in history) == 40


def test_what_the_table_does_not_hold_is_infeasible():
    history = simulate(RandomSearch(budget=20, epochs=10), Lookup(Invented(cells=CELLS[::2])))
    infeasible = {number(t) % 2 for t in history if t.outcome is Outcome.INFEASIBLE}
    assert infeasible == {1} and sum(t.stage == "train" for t in history) == 20


@pytest.mark.parametrize(
    "options",
    [
        {"known": {"params": [1.0]}},
        {"constraints": [Constraint.parse("params<=1")]},
    ],
)
def test_what_cannot_be_looked_up_is_refused(options):
    with pytest.raises(ConfigError, match="params"):
        Lookup(Invented(), **options)


def test_epochs_that_the_table_does_not_have_are_refused():
    with pytest.raises(ConfigError, match="10 or 20"):
        simulate(RandomSearch(epochs=12), Lookup(Invented()))


def trial(stage, epochs, outcome=Outcome.OK, **values):
    return Trial(0, Proposal(SPACE.parse(CELLS[0]), stage, epochs), outcome, values)


def test_the_leader_is_the_best_of_the_longest_trained():
    objectives = (Objective("epsilon", False),)
    scored = [trial("score", 0, epsilon=e) for e in (3.0, 1.0, 2.0, 1.0)]
    short = [trial("train", 1, val_accuracy=99.0)]
    long = [trial("train", 9, val_accuracy=a) for a in (50.0, 60.0)]
    failed = [trial("train", 27, Outcome.FAILED)]
    assert leader(scored, objectives) is scored[1]
    assert leader([*scored, *short], objectives) is short[0]
    assert leader([*failed, *long, *short, *scored], objectives) is long[1]
    assert leader(failed, objectives) is None and leader([], objectives) is None


# Means of 200 runs by an independent program, and the standard deviation of one run: accuracy on
# the validation part after 100 evaluations of the accuracy after 200 epochs. There a repeated
# architecture is evaluated again, which costs that program a few evaluations.
PUBLISHED = [
    ("random", {}, 91.05, 71.45),
    ("regularised_evolution", {"population": 10, "tournament": 3}, 91.32, 72.48),
    ("local_search", {}, 91.38, 72.59),
]
SPREAD = {"cifar10-valid": 0.26, "cifar100": 0.85}
RUNS = 50


@pytest.mark.slow
@pytest.mark.parametrize(("name", "knobs", "c10", "c100"), PUBLISHED, ids=str)
def test_means_are_those_of_an_independent_simulation(shared_data, name, knobs, c10, c100):
    table = nascout.benchmark("nasbench201", shared_data / "nasbench201.parquet")
    strategy = STRATEGIES[name](budget=100, epochs=200, **knobs)
    for dataset, expected in zip(SPREAD, (c10, c100), strict=True):
        lookup = Lookup(table, dataset=dataset)
        found = [
            leader(simulate(strategy, lookup, seed=seed), strategy.objectives).values[
                "val_accuracy"
            ]
            for seed in range(RUNS)
        ]
        error = SPREAD[dataset] * math.sqrt(1 / RUNS + 1 / 200)
        assert abs(np.mean(found) - expected) < 3 * error
