import hashlib
import math
import statistics
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascout.errors import ConfigError
from nascout.records import Constraint, Cost, Objective, Outcome, Score, content_digest


def test_content_digest_is_sha256_of_sorted_compact_json():
    text = '{"a":[1,2.5,null],"b":"\\u00e9"}'
    content = {"b": "é", "a": (1, 2.5, None)}
    assert content_digest(content) == hashlib.sha256(text.encode()).hexdigest()


def test_content_digest_in_another_process():
    code = (
        "from nascout.records import content_digest as d; print(d({'x': [1, 'é'], 'a': {'c': 1}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == content_digest({"a": {"c": 1}, "x": [1, "é"]})


@pytest.mark.parametrize(
    ("text", "metric", "maximize"),
    [
        ("params", "params", False),
        ("latency_ms", "latency_ms", False),
        ("naswot", "naswot", True),
        ("min:naswot", "naswot", False),
        ("max:params", "params", True),
    ],
)
def test_objectives(text, metric, maximize):
    objective = Objective.parse(text)
    assert objective == Objective(metric, maximize)
    assert Objective.parse(str(objective)) == objective


@pytest.mark.parametrize("text", ["", "max:", "maximise:params", "min:max:params", ":params:"])
def test_malformed_objectives(text):
    with pytest.raises(ConfigError, match="Write NAME, min:NAME or max:NAME"):
        Objective.parse(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_loss_is_what_to_minimise(value):
    assert Objective("m", maximize=False).loss({"m": value}) == value
    assert Objective("m", maximize=True).loss({"m": value}) == -value


@pytest.mark.parametrize("values", [{}, {"m": math.nan}, {"m": math.inf}, {"m": -math.inf}])
@pytest.mark.parametrize("maximize", [True, False])
def test_what_is_no_number_is_the_worst_loss_either_way(values, maximize):
    assert Objective("m", maximize).loss(values) == math.inf


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("params<=500000", 500_000),
        (" params <= 500_000 ", 500_000),
        ("macs<=1e6", 1e6),
        ("latency_ms<=.5", 0.5),
    ],
)
def test_upper_bounds_hold_up_to_the_bound(text, bound):
    constraint = Constraint.parse(text)
    name = constraint.metric
    assert constraint.bound == bound
    assert constraint.holds({name: bound})
    assert not constraint.holds({name: math.nextafter(bound, math.inf)})
    assert Constraint.parse(str(constraint)) == constraint


def test_lower_bounds_and_missing_values():
    constraint = Constraint.parse("flops>=10")
    assert constraint.holds({"flops": 10.0})
    assert not constraint.holds({"flops": 9.9})
    assert not constraint.holds({})
    assert not Constraint.parse("flops<=10").holds({"flops": math.nan})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "params",
        "params<500",
        "params=500",
        "<=500",
        "params<=",
        "params<=many",
        "params<=nan",
        "params<=inf",
        "params<=1<=2",
        "accuracy>=0.9",
    ],
)
def test_malformed_constraints_are_one_line(text):
    with pytest.raises(ConfigError) as error:
        Constraint.parse(text)
    assert "\n" not in str(error.value)


def test_long_bounds_survive_their_text():
    constraint = Constraint.parse("macs<=1234567890123456")
    assert Constraint.parse(str(constraint)) == constraint


def test_cost_names_are_those_of_objectives():
    costs = Cost(1, 2, 3).as_dict()
    assert costs == {"params": 1, "macs": 2, "flops": 4, "activation_bytes": 3}
    assert not any(Objective.parse(name).maximize for name in costs)


def test_outcomes_print_as_they_are_stored():
    names = {"ok", "infeasible", "nonfinite", "unsupported", "oom", "timeout", "failed", "killed"}
    assert {str(outcome) for outcome in Outcome} == names
    assert Outcome("oom") is Outcome.OOM


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6))
def test_spread_is_the_sample_deviation(values):
    score = Score("s", statistics.fmean(values), True, per_seed=tuple(values))
    assert math.isclose(score.spread, statistics.stdev(values), rel_tol=1e-6, abs_tol=1e-6)
    assert float(score) == score.value


def test_spread_of_one_or_none_is_zero():
    assert Score("s", 1.0, True).spread == Score("s", 1.0, True, per_seed=(1.0,)).spread == 0.0


def test_time_is_no_content():
    assert Score("s", 1.0, True, seconds=1.0) == Score("s", 1.0, True, seconds=2.0)
    assert hash(Score("s", 1.0, True, seconds=1.0)) == hash(Score("s", 1.0, True, seconds=2.0))
    assert Score("s", 1.0, True) != Score("s", 1.0, False)


def test_records_are_frozen():
    for record in (Score("s", 1.0, True), Cost(1, 2, 3), Objective("m", True)):
        with pytest.raises(AttributeError):
            record.name = record.params = record.metric = 0
