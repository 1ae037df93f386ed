"""The funnel's parts on tables written by hand."""

from collections import Counter

import numpy as np
import pytest

from nascout.errors import ConfigError
from nascout.records import Constraint, Objective, Outcome
from nascout.search import Stop, Trial, generator
from nascout.search.funnel import Funnel
from nascout.search.state import replay

SCORE = (Objective("naswot", True),)


def course(strategy, space, table, seed=0, constraints=()):
    """The history. ``table``: from a point and epochs (0 for a score) to its values."""
    state, history = strategy.start(space), []
    while not isinstance(answer := state.ask(generator(seed, history)), Stop):
        values = table(tuple(map(int, answer.architecture.values)), answer.epochs)
        outcome = Outcome.OK if values is not None else Outcome.FAILED
        if answer.stage == "score" and not all(c.holds(values) for c in constraints):
            outcome = Outcome.INFEASIBLE
        history.append(Trial(len(history), answer, outcome, values or {}))
        state.tell(history[-1])
        assert len(history) < 3000
    return history


def table(point, epochs):
    """The score is the sum; accuracy has a second term, of which short trainings know half."""
    size = float(sum(point))
    if not epochs:
        return {"naswot": size, "params": size}
    accuracy = size + (point[0] - 2) ** 2 * (1 if epochs < 12 else 2)
    return {"params": size, "val_accuracy": accuracy + epochs / 100}


def at(history, epochs):
    return [t for t in history if t.stage == "train" and t.proposal.epochs == epochs]


def value(trial, metric="val_accuracy"):
    return trial.values[metric]


def shape(history):
    return Counter((t.stage, t.proposal.epochs) for t in history)


BASE = {"objectives": SCORE, "retrain": 1, "final_epochs": 99}


def test_all_parts_in_order(grid):
    strategy = Funnel(
        budget=70,
        shortlist=12,
        rung_epochs=(3, 12),
        eta=4,
        guided=6,
        mutants=5,
        batch=3,
        **BASE,
    )
    history = course(strategy, grid(6, 5), table)
    stages = "".join("s" if not t.proposal.epochs else str(t.proposal.epochs)[0] for t in history)
    assert stages == "s" * 40 + "3" * 12 + "1" * 3 + ("s" * 15 + "1" * 3) * 2 + "9"
    plan = {"score": 70, "train": 21, "retrain": 1}
    assert strategy.plan() == plan == Counter(t.stage for t in history)
    best = max(at(history, 12), key=value)
    assert history[-1].architecture == best.architecture


def test_the_filter_keeps_the_best_scores_and_without_it_everything_is_trained(grid):
    filtered, unfiltered = (
        course(Funnel(budget=budget, shortlist=10, rung_epochs=(12,), **BASE), grid(6, 5), table)
        for budget in (60, 10)
    )
    best = sorted(filtered[:60], key=lambda t: value(t, "naswot"), reverse=True)[:10]
    assert {t.architecture for t in at(filtered, 12)} == {t.architecture for t in best}
    assert {t.architecture for t in at(unfiltered, 12)} == {t.architecture for t in unfiltered[:10]}


def test_constraints_come_before_the_filter(grid):
    bound = Constraint.parse("params<=10")
    strategy = Funnel(budget=30, shortlist=8, rung_epochs=(3, 12), guided=4, mutants=2, **BASE)
    history = course(strategy, grid(6, 5), table, constraints=[bound])
    rejected = [t for t in history if t.outcome is Outcome.INFEASIBLE]
    assert rejected and shape(history)["score", 0] == 30 + len(rejected)
    assert all(bound.holds(t.values) for t in history if t.stage == "train")


def test_hyperband_shares_the_shortlist(grid):
    """eta 3 and two lengths: three start short and one goes on, two start long; and again."""
    strategy = Funnel(budget=40, shortlist=9, rung_epochs=(3, 12), eta=3, hyperband=True, **BASE)
    history = course(strategy, grid(6, 5), table)
    epochs = [t.proposal.epochs for t in history if t.stage == "train"]
    assert epochs == [3, 3, 3, 12, 12, 12, 3, 3, 3, 12, 12]
    trained = {t.architecture for t in history if t.stage == "train"}
    best = sorted(history[:40], key=lambda t: value(t, "naswot"), reverse=True)[:9]
    assert trained == {t.architecture for t in best}
    short, long = at(history, 3), at(history, 12)
    for bracket, climbed in ((short[:3], long[0]), (short[3:], long[3])):
        assert climbed.architecture == max(bracket, key=value).architecture


@pytest.mark.parametrize("loss", ["mse", "pairwise"])
def test_the_predictor_finds_what_the_score_does_not_know(grid, loss):
    """A large last number is worth more than all others; the score says the opposite."""

    def misleading(point, epochs):
        score = float(sum(point[:-1]) - 2 * point[-1])
        return {"naswot": score, "val_accuracy": score + 6 * point[-1], "epochs": float(epochs)}

    strategy = Funnel(
        budget=150, shortlist=20, rung_epochs=(3, 12), guided=20, mutants=2, loss=loss, **BASE
    )
    history = course(strategy, grid(6, 5), misleading)
    long = at(history, 12)
    halved, guided = long[:10], long[10:]
    assert len(guided) == 20
    assert max(map(value, guided)) > max(map(value, halved)) + 5
    assert np.mean([value(t) for t in guided[10:]]) > np.mean([value(t) for t in halved])


def test_a_failed_training_is_not_chosen_again_nor_retrained(grid):
    def fails(point, epochs):
        return None if epochs == 3 and point[1] > 2 else table(point, epochs)

    strategy = Funnel(budget=60, shortlist=20, rung_epochs=(3, 12), guided=10, **BASE)
    history = course(strategy, grid(6, 5), fails)
    failed = {t.architecture for t in history if t.outcome is not Outcome.OK}
    assert failed and not failed & {t.architecture for t in [*at(history, 12), history[-1]]}


def test_several_objectives_choose_the_shortlist_and_the_winners(grid):
    both = (*SCORE, Objective("params", False))

    def costly(point, epochs):
        values = {"naswot": float(sum(point)), "params": float((point[0] * 7 + sum(point)) % 23)}
        return values | ({"val_accuracy": values["naswot"]} if epochs else {})

    strategy = Funnel(
        budget=60, objectives=both, shortlist=12, rung_epochs=(3,), guided=4, retrain=3
    )
    history = course(strategy, grid(6, 5), costly)
    points = [(t.values["params"], -value(t)) for t in at(history, 3)]
    winners = [(t.values["params"], -value(t)) for t in history if t.stage == "retrain"]
    for winner in winners[:1]:
        assert not any(p != winner and p[0] <= winner[0] and p[1] <= winner[1] for p in points)
    assert len(winners) == 3


def test_more_budget_adds_to_what_is_there(grid):
    space = grid(6, 5)
    small, large = (
        Funnel(budget=budget, shortlist=6, rung_epochs=(3, 12), guided=2, **BASE)
        for budget in (20, 40)
    )
    history = course(small, space, table)
    state = replay(large.start(space), history)
    more = []
    while not isinstance(answer := state.ask(generator(0, [*history, *more])), Stop):
        values = table(tuple(map(int, answer.architecture.values)), answer.epochs)
        more.append(Trial(len(history) + len(more), answer, Outcome.OK, values))
        state.tell(more[-1])
    assert [t.stage for t in more[:20]] == ["score"] * 20
    proposals = [t.proposal for t in history + more]
    assert len(set(proposals)) == len(proposals)
    long = [t for t in history + more if t.stage == "train" and t.proposal.epochs == 12]
    retrained = [t.architecture for t in history + more if t.stage == "retrain"]
    assert max(long, key=value).architecture in retrained


def test_asking_does_not_read_the_history_again(grid, monkeypatch):
    """The shortlist is chosen once, however often is asked."""
    import sys

    module, calls = sys.modules[Funnel.__module__], []
    plain = module.best

    def counted(trials, *args):
        calls.append(len(trials))
        return plain(trials, *args)

    monkeypatch.setattr(module, "best", counted)
    course(Funnel(budget=200, shortlist=16, rung_epochs=(3, 12), **BASE), grid(6, 5), table)
    assert sum(count == 200 for count in calls) == 1 and len(calls) < 8


@pytest.mark.parametrize(
    "knobs",
    [
        {"guided": -1},
        {"mutants": -1},
        {"batch": 0},
        {"budget": 20, "guided": 4, "mutants": 5},
        {"shortlist": 3, "retrain": 3, "guided": 1},
        {"rung_epochs": (12, 3)},
        {"rung_epochs": "twelve"},
    ],
)
def test_knobs_that_mean_nothing_are_refused(knobs):
    with pytest.raises(ConfigError):
        Funnel(**knobs)
