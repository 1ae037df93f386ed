"""Runs on a table of 12, against what can be computed by hand."""

import math

import numpy as np
import pytest

from nascout.comparison.contender import Contender, read_contenders
from nascout.comparison.one_run import ORACLE, PARAMS, RANDOM, random_search, rehearse, run
from nascout.errors import ConfigError
from nascout.records import Constraint, Objective
from nascout.search.random_search import RandomSearch

from .conftest import LONG, SHORT, SIZES, TEST

RUNS = 400


def rows(contender, arena, seeds=range(RUNS)):
    """By label: the results of every run, in order."""
    found = {}
    for seed in seeds:
        for row in run(contender, arena, seed)[0]:
            found.setdefault(row.strategy, []).append(row)
    return found


def best_of(n, worth, value):
    """Mean and standard deviation of ``value`` of the most worthy of ``n`` of them all.

    Of R, the r-th best is the best of n drawn without replacement in C(R - r, n - 1) of C(R, n).
    """
    total = len(worth)
    chance = [math.comb(total - r, n - 1) / math.comb(total, n) for r in range(1, total + 1)]
    ordered = value[np.argsort(-worth)]
    mean = chance @ ordered
    return mean, math.sqrt(chance @ (ordered - mean) ** 2)


@pytest.mark.parametrize("n", [1, 4])
def test_the_rows_that_are_always_there_are_as_good_as_they_must_be(arena, n):
    """Found by the short training, the size and the truth; reported after the long one."""
    here = arena(budgets=(float(n),), fitness_epochs=10, known={"params": SIZES})
    found = rows(random_search(10), here)
    for label, worth in ((RANDOM, SHORT), (PARAMS, SIZES), (ORACLE, LONG)):
        for value, name in ((LONG, "retrained_val_accuracy"), (TEST, "test_accuracy")):
            mean, spread = best_of(n, worth, value)
            got = np.mean([getattr(row, name) for row in found[label]])
            assert abs(got - mean) < 3.5 * spread / math.sqrt(RUNS), (label, name)


def test_of_all_architectures_each_finds_its_own_best(arena):
    here = arena(fitness_epochs=10, known={"params": SIZES})
    [random], [params], [oracle] = rows(random_search(10), here, [5]).values()
    assert (random.fitness, random.test_accuracy) == (12, TEST[np.argmax(SHORT)])
    assert params.retrained_val_accuracy == LONG[np.argmax(SIZES)]
    assert oracle.retrained_val_accuracy == LONG.max()
    assert oracle.test_accuracy == TEST[np.argmax(LONG)]
    assert (random.trainings, random.scores) == (12, 0)
    assert (params.trainings, params.scores) == (0, 12)
    assert (oracle.trainings, oracle.scores) == (0, 0)


def test_smaller_budgets_are_prefixes_of_the_largest(arena):
    several = rows(random_search(20), arena(budgets=(2.0, 5.0, 9.0)), range(20))[RANDOM]
    for budget in (2.0, 5.0, 9.0):
        alone = rows(random_search(20), arena(budgets=(budget,)), range(20))[RANDOM]
        assert [row for row in several if row.budget == budget] == alone


def test_seconds_are_counted(arena):
    """A training of 10 epochs takes 30 s and a score 1: three fit into 100 s, with three scores."""
    here = arena(
        unit="seconds",
        budgets=(31.0, 100.0),
        fitness_epochs=10,
        epoch_seconds={"one": 3.0},
        score_seconds=1.0,
    )
    results, course = run(random_search(10), here, 0)
    spent = [(row.trainings, row.seconds) for row in results if row.strategy == RANDOM]
    assert spent == [(1, 31.0), (3, 94.0)]
    assert {lead.seconds for lead in course} <= {31.0, 62.0, 93.0}


def test_a_search_by_score_trains_nothing(arena):
    """NAS without training's algorithm 1: the highest score of N."""
    here = arena(budgets=(5.0, 12.0), known={"naswot": SIZES})
    [one] = read_contenders(["random:epochs=0,objectives=max:naswot"], fitness_epochs=20)
    first, last = rows(one, here, [0])["random"]
    assert (first.trainings, first.scores, last.scores) == (0, 5, 12)
    assert (last.fitness, last.test_accuracy) == (12, TEST[np.argmax(SIZES)])
    own = Contender("of 3", RandomSearch(budget=3, objectives=(Objective("naswot", True),)), 3)
    assert [row.scores for row in rows(own, here, [0])["of 3"]] == [3, 3]


def test_a_score_that_failed_fails_only_those_who_use_it(arena):
    score = np.where(np.arange(12) < 11, np.nan, 1.0)
    here = arena(known={"naswot": score, "params": SIZES})
    [random], _, _ = rows(random_search(20), here, [0]).values()
    assert random.retrained_val_accuracy == LONG.max()
    [one] = read_contenders(["by score=random:epochs=0,objectives=max:naswot"], fitness_epochs=20)
    assert rows(one, here, [0])["by score"][0].retrained_val_accuracy == LONG[11]
    here = arena(known={"naswot": np.full(12, np.nan)})
    failed = rows(one, here, [0])["by score"][0]
    assert failed.architecture == "" and math.isnan(failed.test_accuracy)


def test_constraints_hold_for_all_rows(arena):
    here = arena(known={"params": SIZES}, constraints=(Constraint.parse("params<=6"),))
    allowed = SIZES <= 6
    assert here.optimum == np.argmax(np.where(allowed, LONG, 0))
    [random], [params], [oracle] = rows(random_search(20), here, [0]).values()
    assert random.retrained_val_accuracy == LONG[here.optimum] == oracle.retrained_val_accuracy
    assert params.retrained_val_accuracy == LONG[list(SIZES).index(6)]
    assert random.trainings == allowed.sum()


def test_validation_may_have_a_data_set_of_its_own(arena):
    here = arena(datasets=("two",))
    [row], *_ = rows(random_search(20), here, [0]).values()
    best = np.argmax(LONG)
    assert (row.retrained_val_accuracy, row.test_accuracy) == (LONG[best] / 2, TEST[best] / 2)


def test_without_known_sizes_graphs_are_counted(arena):
    """``dc``: 1x1 convolutions from 1 to 4 and from 4 to 3 channels, without biases."""
    here = arena()
    assert here.sizes([0, 11]) == [1 * 1 + 1 * 1, 1 * 4 + 4 * 3]
    assert str(list(here.space)[11]) == "x0=d,x1=c"


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("naswot=random:epochs=0,objectives=max:naswot", {}, "naswot needs 'naswot'"),
        ("area:epochs=20,objectives=max:naswot", {}, "area needs 'naswot'"),
        ("short=random:epochs=7", {}, "short: .*epochs=7"),
        ("random", {"unit": "seconds"}, "epoch_seconds"),
        ("successive_halving:epochs=10,max_epochs=30,budget=9,eta=3", {}, "epochs=30"),
    ],
)
def test_what_cannot_be_run_is_refused_before(arena, text, options, words):
    [one] = read_contenders([text], fitness_epochs=20)
    with pytest.raises(ConfigError, match=words):
        rehearse(one, arena(**options), 0)
