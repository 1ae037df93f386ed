"""The front, a pick and a line of descent, on made-up families."""

import random

import pytest

from nascout.errors import AllFailed, ConfigError, Infeasible
from nascout.gallery.family import Family
from nascout.records import Constraint, Outcome
from nascout.run.growth.records import Job, Model

ADDED = (("=head", (("stem", "sep3"),)),)


def model(number, parent, macs, accuracy=None, outcome=Outcome.OK, **values):
    known = {} if accuracy is None else {"val_accuracy": accuracy}
    costs = {"params": 10.0, "activation_bytes": 5, "latency_ms": 1.0}
    return Model(
        number,
        parent,
        () if parent is None else ADDED,
        outcome,
        {"macs": macs, **costs, **known, **values},
        elapsed=float(number),
    )


@pytest.fixture
def family():
    models = [
        model(0, None, 100, 90.0),
        model(1, 0, 150, 95.0, latency_ms=9.0),
        model(2, 0, 160, 92.0),
        model(3, 1, 300, 97.0, latency_ms=3.0),
        model(4, 1, 120, outcome=Outcome.INFEASIBLE),
        model(5, 3, 400, 97.0),
        model(6, 3, 50, outcome=None),
    ]
    jobs = [Job(n, "candidates", m.number, m.parent, 0) for n, m in enumerate(models) if n]
    return Family(models, jobs, "macs", [Constraint.parse("macs<=350")])


def numbers(members):
    return [member.model.number for member in members]


def test_the_front(family):
    assert numbers(family.front()) == [0, 1, 3]
    assert numbers(family.front("latency_ms")) == [2, 3]
    assert numbers(family.front(until=2)) == [0, 1]
    assert numbers(family.showpieces()) == [0, 1, 2, 3]


def test_against_a_brute_force_front():
    rng = random.Random(0)
    values = [(rng.randint(1, 30), rng.randint(50, 90)) for _ in range(60)]
    models = [model(n, None, macs, float(acc)) for n, (macs, acc) in enumerate(values)]
    expected = {
        (macs, acc)
        for macs, acc in values
        if not any(m <= macs and a >= acc and (m, a) != (macs, acc) for m, a in values)
    }
    front = Family(models, [], "macs").front()
    assert {(m.model.values["macs"], m.model.values["val_accuracy"]) for m in front} == expected


def test_a_pick_keeps_its_constraints(family):
    assert family.pick().model.number == 3
    assert family.pick("macs<=1000").model.number == 3  # as accurate as 5, and cheaper
    assert family.pick("latency_ms<=2").model.number == 2
    assert family.pick("macs<=155", "latency_ms<=2").model.number == 0
    with pytest.raises(Infeasible, match="the smallest macs is 100"):
        family.pick("macs<=99")
    with pytest.raises(ConfigError, match="malformed"):
        family.pick("macs")


def test_nothing_trained():
    with pytest.raises(AllFailed, match="no trained model"):
        Family([model(0, None, 1, outcome=Outcome.OOM)], [], "macs").pick()


def test_who_grew_from_whom(family):
    assert numbers(family.genealogy(5)) == [0, 1, 3, 5]
    assert numbers(family.genealogy(0)) == [0]
    with pytest.raises(ConfigError, match="no model 9"):
        family.genealogy(9)


def test_the_table(family):
    frame = family.frame().set_index("model")
    assert list(frame["on_front"]) == [True, True, False, True, False, False, False]
    assert frame["on_hull"].sum() >= 2
    assert list(frame["times_grown"]) == [2, 2, 0, 2, 0, 0, 0]
    assert list(frame["state"])[-3:] == ["infeasible", "trained", "waiting"]
    assert frame.loc[1, "added"] == "sep3(stem) to =head"
    assert frame["macs"].dtype == "Int64"
    assert "sep3(stem) to =head" in family.csv()


def test_a_name_that_a_spreadsheet_would_obey():
    hostile = Model(1, 0, (("x", (("b", "=cmd"),)),), None, {})
    assert ",'=cmd(b) to x," in Family([hostile], [], "macs").csv()


def test_what_cannot_be_built(family):
    with pytest.raises(ConfigError, match="was not trained: it is waiting"):
        family[6].build()
    with pytest.raises(ConfigError, match="does not know the code"):
        family[0].build()
