"""Scoring ahead: the same scores as one network at a time, whenever a search is taken up."""

import pytest
import torch

from nascout.network import build
from nascout.records import Constraint, Objective
from nascout.run.ahead import CHUNK, Ahead
from nascout.run.plan import Plan
from nascout.score import SCORES
from nascout.score.evaluate import evaluate
from nascout.search.random_search import RandomSearch

CARDS = tuple(SCORES[name] for name in ("naswot", "ntk", "params"))


@pytest.fixture
def ahead(space):
    def make(seed=3, budget=20, constraints=()):
        strategy = RandomSearch(budget=budget, objectives=(Objective("naswot", True),))
        plan = Plan(space, strategy, CARDS, constraints, {}, seed, 8)
        x = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        return Ahead(plan, x, torch.zeros(8, dtype=torch.long))

    return make


def test_the_scores_are_those_of_each_network_with_the_plans_seed(ahead):
    one = ahead()
    for architecture in list(one.plan.strategy.foreseen(one.plan.space, 3))[:4]:
        alone = evaluate(build(architecture, 3), one.x, ["naswot", "params"])
        found = one.scores(architecture)
        assert found.keys() == {"naswot", "params"}  # ntk has no faster way
        assert found["naswot"].value == pytest.approx(alone["naswot"].value, rel=1e-5)
        assert found["params"].value == alone["params"].value


def test_a_search_taken_up_in_the_middle_has_the_same_digits(ahead):
    order = list(ahead().plan.strategy.foreseen(ahead().plan.space, 3))
    whole = ahead()
    sequence = [whole.scores(one)["naswot"].value for one in order]
    for place in (CHUNK - 1, CHUNK // 2, len(order) - 1):
        assert ahead().scores(order[place])["naswot"].value == sequence[place]


def test_what_was_not_foreseen_has_no_score(ahead, space):
    one = ahead(budget=3)
    foreseen = set(one.plan.strategy.foreseen(space, 3))
    other = next(architecture for architecture in space if architecture not in foreseen)
    assert one.scores(other) == {}


def test_what_breaks_a_constraint_is_not_scored(ahead):
    one = ahead(constraints=(Constraint.parse("params<=1000"),))
    for architecture in one.plan.strategy.foreseen(one.plan.space, 3):
        small = sum(p.numel() for p in build(architecture, 0).parameters()) <= 1000
        assert bool(one.scores(architecture)) == small
