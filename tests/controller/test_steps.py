"""Which decisions a policy takes at one step."""

import pytest

from nascout.controller.steps import Step, steps
from nascout.space import SPACES, Choice
from nascout.space.enas_macro import EnasMacro
from nascout.space.freeform import FreeForm
from nascout.space.nasrl import NasRl


@pytest.mark.parametrize("name", sorted(SPACES))
@pytest.mark.parametrize("attention", [True, False])
def test_every_decision_once_and_in_order(name, attention):
    space = SPACES[name]()
    found = steps(space, attention=attention)
    assert [d for step in found for d in step.decisions] == list(range(len(space.decisions)))
    assert attention or all(step == Step(step.decisions) for step in found)
    assert all(len(step.sources) in (0, len(step.decisions)) for step in found)


def test_the_anchor_points_of_zoph_and_le():
    """Three softmaxes per layer; one anchor point per layer from the second on, N - 1 sigmoids."""
    found = steps(NasRl(depth=5))
    skips = [step for step in found if step.sources]
    assert [step.sources for step in skips] == [
        tuple("1"),
        tuple("12"),
        tuple("123"),
        tuple("1234"),
    ]
    assert [step.target for step in skips] == list("2345") and len(found) == 3 * 5 + 4


def test_the_skips_of_enas_and_of_free_forms():
    found = steps(EnasMacro(layers=4))
    assert [step.sources for step in found] == [(), (), ("0",), (), ("0", "1"), (), ("0", "1", "2")]
    assert sum(len(step.sources) for step in steps(FreeForm(depth=4))) == 1 + 2 + 3 + 4


def test_the_edges_of_nasbench101():
    """Seven vertices; those into one are listed side by side, before the operations."""
    found = steps(SPACES["nasbench101"]())
    assert [len(step.sources) for step in found] == [1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("name", ["nasbench201", "nasnet", "darts"])
def test_spaces_without_skips(name):
    assert not any(step.sources for step in steps(SPACES[name]()))


def test_skips_that_are_listed_by_source_are_apart(branching):
    names = "0->1", "0->2", "1->2", "0->3", "1->3"
    mixed = [Choice(name, ("no", "yes")) for name in (*names, "2->4", "3->5", "3->4")]
    found = _steps_of(branching, mixed)
    assert [len(step.decisions) for step in found] == [1, 2, 2, 1, 1, 1]


def test_skips_under_different_conditions_are_apart(branching):
    assert [step.target for step in steps(branching)] == ["", "", "2", "", "3"]
    always = Choice("1->2", ("no", "yes"))
    found = _steps_of(branching, (*branching.decisions[:3], always))
    assert [step.target for step in found] == ["", "", "", ""]


def _steps_of(space, decisions):
    class Changed(type(space)):
        pass

    Changed.decisions = tuple(decisions)
    return steps(Changed())
