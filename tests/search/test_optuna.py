"""Optuna both ways: its samplers choose for us, and our spaces serve its users."""

import random
import sys
from itertools import pairwise

import numpy as np
import optuna
import pytest

from nascout.errors import MissingExtra
from nascout.records import Objective
from nascout.search import STRATEGIES
from nascout.search.nsga2 import Nsga2
from nascout.search.optuna_search import OptunaSearch
from nascout.search.optuna_space import suggest
from nascout.search.pareto import pareto_ranks
from nascout.space import SPACES
from nascout.space.nasbench101 import NasBench101
from nascout.space.nasbench201 import NasBench201


@pytest.fixture
def study():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    optuna.logging.set_verbosity(before)


@pytest.mark.parametrize("name", sorted(set(SPACES) - {"growing"}))
def test_a_trial_holds_the_open_decisions_and_no_others(name, study):
    space, made = SPACES[name](), {}

    def objective(trial):
        made[trial.number] = suggest(trial, space)
        return 0.0

    study.optimize(objective, n_trials=20)
    done = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    assert len(done) > 3 and {t.number for t in done} == set(made)
    for trial in done:
        choices = made[trial.number].choices
        assert trial.params == {k: v for k, v in choices.items() if v is not None}


def test_decisions_that_do_not_fit_together_prune_the_trial():
    """All seven operations and every edge: more than nine edges are not allowed."""
    space = NasBench101()
    edges = {c.name: c.options[-1] for c in space.decisions}
    with pytest.raises(optuna.TrialPruned, match="edge"):
        suggest(optuna.trial.FixedTrial(edges), space)


def test_a_user_of_optuna_can_search_our_spaces(study):
    space = NasBench201()

    def objective(trial):
        return suggest(trial, space).values.count("nor_conv_3x3")

    study.sampler = optuna.samplers.TPESampler(seed=0)
    study.optimize(objective, n_trials=40)
    assert study.best_value == 0


@pytest.mark.slow
def test_tpe_beats_random_search_on_a_separable_function(grid, play):
    """The sum of ten numbers from 0 to 3: 15 on average, 30 at most."""

    def best(sampler, seed):
        strategy = OptunaSearch(budget=60, sampler=sampler)
        history, _ = play(strategy, grid(10, 4), lambda p: float(sum(p)), seed=seed)
        return max(trial.values["independence"] for trial in history)

    seeds = range(5)
    tpe, chance = (np.array([best(s, seed) for seed in seeds]) for s in ("TPE", "Random"))
    assert (tpe >= chance).all() and tpe.mean() > chance.mean() + 2


UP, DOWN = Objective("independence", True), Objective("params", False)


def costs(point):
    """More is better and more expensive; 0 and 4 are the only numbers worth their price."""
    price = (0, 3, 5, 7, 8)
    return {
        "independence": float(sum(point)),
        "params": float(sum(price[x] for x in point)),
        "val_accuracy": float(sum(point)),
    }


def hypervolume(history):
    """The area between the points and (independence 0, params 128)."""
    points = {(t.values["params"], t.values["independence"]) for t in history if t.stage == "score"}
    area, best = 0.0, 0.0
    ordered = [*sorted(points), (128.0, 0.0)]
    for (params, independence), (following, _) in pairwise(ordered):
        best = max(best, independence)
        area += best * (following - params)
    return area


@pytest.mark.slow
def test_nsga2_covers_more_than_chance_and_than_one_objective(grid, play):
    rivals = (
        Nsga2(budget=200, population=20),
        STRATEGIES["random"](budget=200, objectives=(UP, DOWN)),
        STRATEGIES["regularised_evolution"](budget=200, objectives=(UP, DOWN)),
    )
    evolved, chance, greedy = (
        np.mean([hypervolume(play(one, grid(16, 5), costs, seed=seed)[0]) for seed in range(3)])
        for one in rivals
    )
    assert evolved > 1.05 * max(chance, greedy)


@pytest.mark.parametrize("epochs", [0, 2])
def test_the_winners_are_of_the_pareto_front(grid, play, epochs):
    strategy = Nsga2(budget=40, population=6, retrain=2, epochs=epochs)

    def noise(point):
        rng = random.Random(str(point))
        return {name: rng.random() for name in ("independence", "params", "val_accuracy")}

    history, _ = play(strategy, grid(8, 5), noise)
    quality = Objective("val_accuracy" if epochs else "independence", True)
    trials = [t for t in history if t.stage == ("train" if epochs else "score")]
    ranks = pareto_ranks([t.values for t in trials], (quality, DOWN))
    front = {t.architecture for t, rank in zip(trials, ranks, strict=True) if rank == 0}
    chosen = [t.architecture for t in history if t.stage == "retrain"]
    assert len(front) >= len(chosen) == 2 and set(chosen) <= front
    losses = {t.architecture: quality.loss(t.values) for t in trials}
    assert chosen[0] == min(front, key=losses.get)


@pytest.mark.parametrize("name", ["optuna", "nsga2"])
def test_without_optuna_the_extra_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"nascout\[optuna\]"):
        STRATEGIES[name]().start(NasBench201())


def test_suggesting_without_optuna_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"nascout\[optuna\]"):
        suggest(None, NasBench201())
