import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascout.comparison.course import Clock, Spent, leads, leads_by
from nascout.records import Objective, Outcome
from nascout.search.history import Proposal, Trial
from nascout.search.simulate import leader
from nascout.space.nasbench201 import NasBench201

CELL = next(iter(NasBench201()))
OBJECTIVES = (Objective("naswot", True),)

trials = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 12, 12, 200]),
        st.sampled_from([Outcome.OK, Outcome.OK, Outcome.OK, Outcome.NONFINITE]),
        st.integers(0, 6),
        st.sampled_from([0.0, 1.0, 2.5]),
    ),
    max_size=25,
)


def history(rows):
    made = []
    for epochs, outcome, value, seconds in rows:
        proposal = Proposal(CELL, "train" if epochs else "score", epochs)
        values = {"val_accuracy" if epochs else "naswot": float(value)}
        made.append(Trial(len(made), proposal, outcome, values, seconds=seconds))
    return made


@given(trials)
def test_at_every_moment_the_last_change_is_the_leader(rows):
    told = history(rows)
    changes = leads(told, OBJECTIVES)
    for end in range(len(told) + 1):
        before = [change for change in changes if change.place < end]
        expected = leader(told[:end], OBJECTIVES)
        assert (told[before[-1].place] if before else None) is expected


def test_a_score_that_is_not_known_does_not_lead():
    score = Trial(0, Proposal(CELL), Outcome.OK, {})
    train = Trial(1, Proposal(CELL, "train", 3), Outcome.OK, {"val_accuracy": 1.0})
    assert [change.place for change in leads([score, train], OBJECTIVES)] == [1]


def test_the_least_leads_and_nan_is_worst():
    loss = [math.nan, 3.0, 4.0, 1.0, math.nan]
    assert [place for place, _ in leads_by(range(5), loss.__getitem__)] == [0, 1, 3]


@given(trials, st.integers(1, 12), st.sampled_from([0.0, 1.0, 4.0, 9.5, 1e9]))
def test_budgets_pay_for_what_fits(rows, evaluations, seconds):
    told = history(rows)
    trained = [i for i, trial in enumerate(told) if trial.stage == "train"]
    counted = trained or list(range(len(told)))
    end = Clock(told, "evaluations").end(evaluations)
    assert end == (counted[evaluations - 1] + 1 if evaluations <= len(counted) else len(told))
    end = Clock(told, "seconds").end(seconds)
    assert sum(t.seconds for t in told[:end]) <= seconds
    assert end == len(told) or sum(t.seconds for t in told[: end + 1]) > seconds


def test_what_was_spent():
    ok = Outcome.OK
    clock = Clock(history([(0, ok, 1, 1.0), (12, ok, 1, 2.5), (0, ok, 1, 0.0)]), "evaluations")
    assert [clock.spent(end) for end in range(4)] == [
        Spent(0, 0, 0.0),
        Spent(0, 1, 1.0),
        Spent(1, 1, 3.5),
        Spent(1, 2, 3.5),
    ]
    assert [clock.evaluations(end) for end in range(4)] == [0, 0, 1, 1]


@pytest.mark.parametrize(("limited", "end"), [(True, 2), (False, 3)])
def test_a_number_of_scores_of_its_own_is_kept(limited, end):
    scores = history([(0, Outcome.OK, value, 0.0) for value in range(3)])
    assert Clock(scores, "evaluations", limited=limited).end(2) == end
