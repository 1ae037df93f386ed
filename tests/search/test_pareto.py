import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascout.records import Objective
from nascout.search.pareto import at_stage, pareto_ranks

UP, DOWN, THIRD = Objective("acc", True), Objective("ms", False), Objective("params", False)


def by_definition(points, objectives):
    """Peel fronts, comparing every pair."""

    def value(point, objective):
        v = point.get(objective.metric, math.nan)
        if not math.isfinite(v):
            return math.inf
        return -v if objective.maximize else v

    def dominates(p, q):
        pairs = [(value(p, o), value(q, o)) for o in objectives]
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    ranks, left, front = {}, set(range(len(points))), 0
    while left:
        first = {i for i in left if not any(dominates(points[j], points[i]) for j in left)}
        ranks |= dict.fromkeys(first, front)
        left -= first
        front += 1
    return [ranks[i] for i in range(len(points))]


VALUES = st.one_of(st.integers(0, 4).map(float), st.sampled_from([math.nan, math.inf, -math.inf]))
POINT = st.dictionaries(st.sampled_from(["acc", "ms", "params"]), VALUES)


@settings(deadline=None, max_examples=60)
@given(st.lists(POINT, max_size=12), st.integers(1, 3))
def test_ranks_are_those_of_the_definition(points, count):
    objectives = (UP, DOWN, THIRD)[:count]
    assert pareto_ranks(points, objectives) == by_definition(points, objectives)


def test_one_objective_ranks_distinct_values_in_order():
    points = [{"acc": float(v)} for v in (3, 1, 2, 3)]
    assert pareto_ranks(points, [UP]) == [0, 2, 1, 0]


def test_none_has_no_ranks():
    assert pareto_ranks([], [UP]) == []


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("score", (Objective("naswot", True), DOWN, THIRD)),
        ("train", (Objective("val_accuracy", True), THIRD)),
        ("retrain", (Objective("retrained_val_accuracy", True), THIRD)),
    ],
)
def test_accuracy_takes_the_place_of_scores_once_trained(stage, expected):
    """``ms`` is not one of the library's costs, so it counts as a score."""
    assert at_stage((Objective("naswot", True), DOWN, THIRD), stage) == expected
