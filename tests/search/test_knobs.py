"""The knobs of the built-in strategies."""

import pytest

from nascout.errors import ConfigError
from nascout.search import STRATEGIES
from nascout.search.funnel import Funnel
from nascout.search.random_search import RandomSearch


@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        ((16, 2, 2, 4), [(16, 2), (8, 4)]),
        ((12, 2, 2, 3), [(12, 2), (6, 4)]),
        ((9, 3, 1, 1), [(9, 1), (3, 3)]),
        ((5, 2, 1, 4), [(5, 1)]),
        ((3, 2, 1, 3), []),
    ],
)
def test_rungs(knobs, expected):
    shortlist, eta, epochs, retrain = knobs
    funnel = Funnel(shortlist=shortlist, eta=eta, epochs=epochs, retrain=retrain)
    assert funnel.rungs() == expected
    assert funnel.plan()["train"] == sum(count for count, _ in expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Funnel(budget=0),
        lambda: Funnel(objectives=()),
        lambda: Funnel(eta=1),
        lambda: Funnel(epochs=0),
        lambda: Funnel(shortlist=2, retrain=3),
        lambda: RandomSearch(budget=0),
        lambda: RandomSearch(retrain=0),
        lambda: RandomSearch(epochs=-1),
    ],
)
def test_knobs_that_mean_nothing_are_refused(make):
    with pytest.raises(ConfigError):
        make()


def test_the_built_in_strategies_are_registered():
    assert {"random", "funnel"} <= set(STRATEGIES)
    assert STRATEGIES["funnel"] is Funnel and STRATEGIES["random"] is RandomSearch
