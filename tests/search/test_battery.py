"""Every strategy passes the battery with more than its defaults; told step by step is a replay."""

import random

import pytest

from nascout.errors import ConfigError, UnknownName
from nascout.records import Outcome
from nascout.search import STRATEGIES, Stop, Trial, generator
from nascout.space.enas_macro import EnasMacro
from nascout.space.nasbench101 import NasBench101
from nascout.space.nasbench201 import NasBench201
from nascout.testing.strategy import check_strategy, fold

CELLS = NasBench201(channels=4, cells=1, input_shape=(1, 8, 8))

KNOBS = [
    ("area", {"warm_up": 8, "population": 3, "epochs": 2, "tournament": 2}),
    ("area", {"warm_up": 80, "population": 3}),
    ("bohb", {"rung_epochs": (2, 6), "min_points": 2, "budget": 16}),
    ("funnel", {"shortlist": 6, "rung_epochs": (1, 4), "retrain": 2, "hyperband": True}),
    ("funnel", {"shortlist": 5, "retrain": 2, "guided": 4, "mutants": 1, "batch": 2}),
    ("hyperband", {"max_epochs": 9, "budget": 14}),
    ("hyperband", {"rung_epochs": (12, 200), "eta": 2}),
    ("local_search", {"first_improvement": True}),
    ("local_search", {"epochs": 3, "budget": 40}),
    ("neat", {"population": 4, "threshold": 0.2, "budget": 30}),
    ("neat", {"population": 3, "epochs": 2, "elite": 1, "stagnation": 1}),
    ("nas_rl", {"children": 6, "units": 8, "learning_rate": 0.02}),
    ("nas_rl", {"children": 5, "units": 8, "layers": 1, "epochs": 2}),
    ("nsga2", {"population": 4}),
    ("nsga2", {"population": 4, "epochs": 2, "retrain": 3}),
    ("optuna", {"sampler": "Random", "epochs": 1}),
    ("optuna", {"sampler": "TPE", "budget": 16}),
    ("ppo", {"children": 5, "units": 8, "passes": 2, "budget": 10}),
    ("ppo", {"children": 5, "units": 4, "epochs": 3, "tanh_constant": 2.5}),
    ("predictor_guided", {"initial": 3, "batch": 2, "loss": "pairwise"}),
    ("predictor_guided", {"initial": 3, "batch": 2, "epochs": 0, "budget": 8}),
    ("predictor_guided", {"initial": 2, "batch": 2, "screen": 3, "budget": 24}),
    ("random", {"epochs": 3}),
    ("regularised_evolution", {"population": 4, "budget": 30}),
    ("regularised_evolution", {"population": 4, "epochs": 3}),
    ("regularised_evolution", {"population": 3, "warm_up": 8}),
    ("regularised_evolution", {"population": 1, "tournament": 1}),
    ("reinforce", {"budget": 20}),
    ("reinforce", {"epochs": 1, "learning_rate": 0.01}),
    ("successive_halving", {"epochs": 2, "max_epochs": 8, "eta": 2}),
    ("successive_halving", {"budget": 1}),
]
ALL = pytest.mark.parametrize(("name", "knobs"), KNOBS, ids=lambda k: str(k).strip("{}"))


def made(name, knobs):
    return STRATEGIES[name](**{"budget": 12, **knobs})


@pytest.mark.slow
@ALL
def test_it_keeps_the_contract(name, knobs):
    check_strategy(lambda: made(name, knobs), CELLS)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(STRATEGIES))
@pytest.mark.parametrize("space", [NasBench101, EnasMacro], ids=["constrained", "conditional"])
def test_it_searches_spaces_of_every_kind(name, space):
    strategy = STRATEGIES[name](budget=8)
    history, answers = fold(strategy, space(), 0, lambda *_: (Outcome.OK, dict(VALUES)))
    assert answers[-1] == Stop("done") and history[-1].stage == "retrain"


VALUES = dict.fromkeys(("independence", "params", "latency_ms", "val_accuracy"), 1.0)


@ALL
def test_told_step_by_step_is_the_same_as_replayed(name, knobs):
    """And asking in between, with another generator, leaves no trace."""
    from nascout.testing.strategy import _often_fails as evaluate

    strategy = made(name, knobs)
    state, history = strategy.start(CELLS), []
    while True:
        answer = state.ask(generator(0, history))
        state.ask(random.Random(1))
        if len(history) % 5 == 0 or isinstance(answer, Stop):
            assert answer == strategy.ask(CELLS, history, generator(0, history))
        if isinstance(answer, Stop):
            return
        history.append(Trial(len(history), answer, *evaluate(strategy, answer)))
        state.tell(history[-1])


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("area", {"epochs": 0}),
        ("area", {"warm_up": 0}),
        ("hyperband", {"eta": 1}),
        ("hyperband", {"max_epochs": 0}),
        ("local_search", {"budget": 0}),
        ("nas_rl", {"children": 0}),
        ("nas_rl", {"momentum": 1.0}),
        ("nas_rl", {"power": 0.0}),
        ("nsga2", {"population": 1}),
        ("ppo", {"clip": 0.0}),
        ("ppo", {"entropy": -1e-5}),
        ("random", {"final_epochs": 0}),
        ("regularised_evolution", {"population": 0}),
        ("regularised_evolution", {"tournament": 0}),
        ("regularised_evolution", {"warm_up": -1}),
        ("reinforce", {"learning_rate": 0.0}),
        ("reinforce", {"momentum": 1.0}),
        ("successive_halving", {"epochs": 28}),
        ("successive_halving", {"epochs": 0}),
    ],
)
def test_knobs_that_mean_nothing_are_refused(name, knobs):
    with pytest.raises(ConfigError):
        STRATEGIES[name](**knobs)


def test_a_sampler_that_is_not_offered_is_refused():
    with pytest.raises(UnknownName, match="TPE"):
        STRATEGIES["optuna"](sampler="TPEE")
