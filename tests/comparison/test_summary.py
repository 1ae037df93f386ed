import math
import statistics

import numpy as np

from nascout.comparison.one_run import Result
from nascout.comparison.summary import OPTIMUM, asked_frame, judged_by, summarise

from .conftest import LONG, TEST


def result(strategy, seed, val, test, **spent):
    found = "x0=a,x1=a" if math.isfinite(test) else ""
    cost = {"trainings": 4, "scores": 0, "seconds": 2.0} | spent
    return Result(strategy, "one", seed, 12.0, found, val, val, test, **cost)


def frame(rows, arena, labels=("b", "a"), seeds=range(3)):
    return asked_frame(rows, Result, labels, arena.protocol, seeds)


def test_means_and_standard_deviations(arena):
    here = arena()
    vals, tests = [60.0, 62.0, 67.0], [50.0, 55.0, 51.0]
    rows = [result("a", i, *pair) for i, pair in enumerate(zip(vals, tests, strict=True))]
    rows += [result("b", 0, 1.0, 2.0), result("b", 1, math.nan, math.nan, trainings=0)]
    table = summarise(frame(rows, here), {"one": here}).set_index("strategy")
    a, b, best = (table.loc[name] for name in ("a", "b", OPTIMUM))
    assert list(table.index) == ["b", "a", OPTIMUM]
    assert a["retrained_val_accuracy"] == 63 and a["test_accuracy"] == 52
    assert a["test_accuracy_std"] == statistics.stdev(tests)
    assert (b["runs"], b["failed"], b["test_accuracy"], b["trainings"]) == (2, 1, 2.0, 2.0)
    assert best["test_accuracy"] == TEST[np.argmax(LONG)]


def test_only_what_was_asked_for(arena):
    rows = [result(name, seed, 1.0, 1.0) for seed in (2, 0, 1, 9) for name in ("a", "b", "c")]
    found = frame(rows, arena())
    assert list(zip(found["strategy"], found["seed"], strict=True)) == [
        (name, seed) for name in ("b", "a") for seed in (0, 1, 2)
    ]


def test_a_table_without_a_test_part_is_judged_by_validation(arena):
    here = arena()
    assert judged_by(frame([result("a", 0, 1.0, 2.0)], here)) == "test_accuracy"
    assert judged_by(frame([result("a", 0, 1.0, math.nan)], here)) == "retrained_val_accuracy"
