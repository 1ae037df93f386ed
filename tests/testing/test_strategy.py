"""The battery for strategies: the built-in ones pass, and every kind of broken one fails."""

import random

import pytest

from nascout.records import Objective, Outcome
from nascout.search import STRATEGIES, Proposal, Stop, Strategy
from nascout.search.funnel import Funnel
from nascout.search.random_search import RandomSearch
from nascout.space.nasbench201 import NasBench201
from nascout.testing.strategy import check_strategy

SPACE = NasBench201(channels=4, cells=1, input_shape=(1, 8, 8))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_registered_strategy_passes(name):
    check_strategy(lambda: STRATEGIES[name](budget=12), SPACE)


def test_the_built_in_ones_pass_with_other_knobs():
    check_strategy(lambda: RandomSearch(budget=1, retrain=3), SPACE)
    check_strategy(lambda: Funnel(budget=4, shortlist=3, retrain=1, eta=3), SPACE)


class Toy(Strategy):
    """Scores ``budget`` distinct samples, then stops; its children break one promise each."""

    name = "toy"
    budget, objectives = 6, (Objective("naswot", True),)

    def ask(self, space, history, rng):
        admitted = {t.architecture for t in history if t.outcome is not Outcome.INFEASIBLE}
        if len(admitted) >= self.budget or len({t.architecture for t in history}) >= 60:
            return Stop("done")
        return Proposal(self.fresh(space, history, rng))

    def fresh(self, space, history, rng):
        seen = {trial.architecture for trial in history}
        while (one := space.sample(rng)) in seen:
            pass
        return one

    def plan(self):
        return {"score": self.budget}


class Stateful(Toy):
    def __init__(self):
        self.asked = 0

    def fresh(self, space, history, rng):
        self.asked += 1
        return super().fresh(space, history, random.Random(self.asked))


class OwnGenerator(Toy):
    def fresh(self, space, history, rng):
        return super().fresh(space, history, random.Random())


class Repeats(Toy):
    def fresh(self, space, history, rng):
        return space.sample(random.Random(0))


class Overspends(Toy):
    def ask(self, space, history, rng):
        return Stop("done") if len(history) > 10 else Proposal(self.fresh(space, history, rng))


class CountsTrials(Toy):
    def ask(self, space, history, rng):
        if len(history) >= self.budget:
            return Stop("done")
        return super().ask(space, history, rng)


class NeedsOrder(Toy):
    """Samples with a generator that depends on the last trial listed."""

    def fresh(self, space, history, rng):
        last = str(history[-1].number) if history else "none"
        return super().fresh(space, history, random.Random(last))


class Endless(Toy):
    def ask(self, space, history, rng):
        return Proposal(self.fresh(space, history, rng))


class LeavesTheSpace(Toy):
    def fresh(self, space, history, rng):
        return super().fresh(NasBench201(), history, rng)


class TrainsForNothing(Toy):
    def ask(self, space, history, rng):
        answer = super().ask(space, history, rng)
        return answer if isinstance(answer, Stop) else Proposal(answer.architecture, "train", 0)


BROKEN = {
    Stateful: "keeps state",
    OwnGenerator: "another generator",
    Repeats: "again",
    Overspends: "on a budget of 6",
    CountsTrials: "listed twice",
    NeedsOrder: "sort by number",
    Endless: "does not stop",
    LeavesTheSpace: "leaves the space",
    TrainsForNothing: "0 epochs for a 'train'",
}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_every_kind_of_broken_strategy_fails(kind):
    with pytest.raises(AssertionError, match=BROKEN[kind]):
        check_strategy(kind, SPACE)


def test_an_honest_strategy_passes():
    check_strategy(Toy, SPACE)
