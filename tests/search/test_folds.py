"""Random search and the funnel as folds over history, on values known beforehand."""

import random
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from nascout.records import Objective, Outcome
from nascout.search import Proposal, Stop, Trial, generator
from nascout.search.funnel import Funnel
from nascout.search.random_search import RandomSearch
from nascout.search.strategy import REJECTIONS, best
from nascout.space import Choice, Space
from nascout.space.nasbench201 import NasBench201

NB201 = NasBench201(channels=4, cells=1, input_shape=(1, 8, 8))
OBJECTIVES = (Objective("independence", True), Objective("params", False))
CONVS = ("none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3")


class Tiny(Space):
    """Six architectures of NAS-Bench-201: two of its edges vary. Not registered."""

    name = "tiny"
    classes, input_shape = 2, (1, 4, 4)
    decisions = (Choice("a", ("none", "skip_connect")), Choice("b", CONVS[2:]))

    def parameters(self):
        return {}

    def graph(self, architecture):
        values = (*architecture.values, *["skip_connect"] * 4)
        return NB201.graph(NB201.architecture(dict(zip(EDGES, values, strict=True))))

    def __eq__(self, other):
        return type(self) is type(other)

    def __hash__(self):
        return hash(self.name)


EDGES = [choice.name for choice in NB201.decisions]


def values_of(proposal):
    """Scores grow with the size of the operations, accuracies against the score."""
    sizes = [CONVS.index(value) for value in proposal.architecture.values]
    score = float(sum(3**i * size for i, size in enumerate(sizes)))
    values = {"independence": score, "params": float(sum(sizes))}
    accuracy = 50 + score % 47 + proposal.epochs / 100
    if proposal.stage == "train":
        values["val_accuracy"] = accuracy
    if proposal.stage == "retrain":
        values["retrained_val_accuracy"] = accuracy
    return values


def succeed(proposal):
    return Outcome.OK, values_of(proposal)


def run(strategy, space=NB201, seed=0, evaluate=succeed, history=(), limit=2000):
    """Fold to the end: the whole history, and the stop."""
    history = list(history)
    while not isinstance(answer := strategy.ask(space, history, generator(seed, history)), Stop):
        outcome, values = evaluate(answer)
        history.append(Trial(len(history), answer, outcome, values))
        assert len(history) < limit
    return history, answer


def at(history, stage):
    return [trial for trial in history if trial.stage == stage]


FUNNEL = Funnel(
    budget=40, objectives=OBJECTIVES, shortlist=8, eta=2, epochs=3, retrain=2, final_epochs=9
)
RANDOM = RandomSearch(budget=30, objectives=OBJECTIVES, retrain=2, final_epochs=5)
BOTH = pytest.mark.parametrize("strategy", [FUNNEL, RANDOM], ids=lambda s: s.name)


def names(history):
    return [(str(t.architecture), t.stage, t.proposal.epochs) for t in history]


def distinct_best(trials, key, count):
    """The first of every distinct network, the best by ``key`` first, ties by age."""
    seen, kept = set(), []
    for trial in trials:
        if trial.architecture.digest not in seen:
            seen.add(trial.architecture.digest)
            kept.append(trial)
    return sorted(kept, key=key)[:count]


def test_random_search_trains_the_best_scores():
    history, stop = run(RANDOM)
    scored, trained = at(history, "score"), at(history, "retrain")
    assert stop == Stop("done") and len(scored) == 30 and history == scored + trained
    expected = distinct_best(scored, lambda t: -t.values["independence"], 2)
    assert [t.architecture for t in trained] == [t.architecture for t in expected]
    assert {t.proposal.epochs for t in trained} == {5}


def test_samples_are_distinct_and_drawn_with_the_generator_given():
    history, _ = run(RANDOM)
    scored = at(history, "score")
    assert len({t.architecture for t in scored}) == 30
    for trial in scored[:5]:
        rng = generator(0, history[: trial.number])
        assert NB201.sample(rng) == trial.architecture


def test_the_funnel_scores_then_halves_then_retrains():
    history, stop = run(FUNNEL)
    assert stop == Stop("done") and FUNNEL.rungs() == [(8, 3), (4, 6)]
    stages = [(t.stage, t.proposal.epochs) for t in history]
    expected = [("score", 0)] * 40 + [("train", 3)] * 8 + [("train", 6)] * 4
    assert stages == expected + [("retrain", 9)] * 2


def fronts(trials, metrics):
    """Front by definition; ``metrics`` are functions to minimise."""
    points = [[m(t) for m in metrics] for t in trials]
    left, ranks = set(range(len(points))), {}
    while left:
        now = {
            i
            for i in left
            if not any(
                points[j] != points[i] and all(a <= b for a, b in zip(points[j], points[i]))  # noqa: B905
                for j in left
            )
        }
        ranks |= {trials[i].number: len(set(ranks.values())) for i in now}
        left -= now
    return ranks


def test_the_funnel_keeps_the_pareto_best_of_every_rung():
    history, _ = run(FUNNEL)
    rungs = [at(history, "score"), history[40:48], history[48:52], history[52:]]
    for rung, (before, after) in enumerate(pairwise(rungs)):
        quality = "independence" if rung == 0 else "val_accuracy"
        metrics = [lambda t, q=quality: -t.values[q], lambda t: t.values["params"]]
        distinct = distinct_best(before, lambda t: t.number, None)
        ranks = fronts(distinct, metrics)
        order = sorted(distinct, key=lambda t: (ranks[t.number], metrics[0](t), t.number))
        expected = [t.architecture for t in order[: len(after)]]
        assert [t.architecture for t in after] == expected


def test_the_plan_is_what_happens():
    for strategy in (FUNNEL, RANDOM):
        history, _ = run(strategy)
        counts = {s: len(at(history, s)) for s in ("score", "train", "retrain")}
        assert dict(strategy.plan()) == {k: v for k, v in counts.items() if v}


@BOTH
def test_the_budget_counts_only_what_the_constraints_admit(strategy):
    def small_only(proposal):
        values = values_of(proposal)
        return (Outcome.OK if values["params"] <= 10 else Outcome.INFEASIBLE), values

    history, stop = run(strategy, evaluate=small_only)
    outcomes = [t.outcome for t in at(history, "score")]
    assert outcomes.count(Outcome.OK) == strategy.budget < len(outcomes)
    assert stop == Stop("done")
    assert all(t.values["params"] <= 10 for t in history if t.stage != "score")


@BOTH
def test_nothing_admitted_is_infeasible(strategy):
    history, stop = run(strategy, evaluate=lambda _: (Outcome.INFEASIBLE, {}))
    assert stop == Stop("infeasible") and len(history) == REJECTIONS * strategy.budget


@BOTH
def test_failures_drop_out(strategy):
    bad = {Outcome.FAILED: 0, Outcome.NONFINITE: 1, Outcome.OOM: 2, Outcome.TIMEOUT: 3}
    bad = {number: outcome for outcome, number in bad.items()}

    def evaluate(proposal):
        outcome = bad.get(int(values_of(proposal)["independence"]) % 6, Outcome.OK)
        return outcome, values_of(proposal) if outcome is Outcome.OK else {}

    history, stop = run(strategy, evaluate=evaluate)
    failed = [t for t in history if t.outcome is not Outcome.OK]
    assert stop == Stop("done") and failed and all(t.stage == "score" for t in failed)
    assert len(at(history, "score")) == strategy.budget


def test_a_training_that_fails_drops_out_of_the_next_rung():
    def evaluate(proposal):
        failed = proposal.stage == "train" and values_of(proposal)["independence"] % 2 == 0
        return (Outcome.FAILED, {}) if failed else succeed(proposal)

    history, stop = run(FUNNEL, evaluate=evaluate)
    first = [t for t in at(history, "train") if t.proposal.epochs == 3]
    second = [t for t in at(history, "train") if t.proposal.epochs == 6]
    good = {t.architecture for t in first if t.outcome is Outcome.OK}
    assert stop == Stop("done") and 0 < len(good) < 8
    assert {t.architecture for t in second} <= good
    assert {t.architecture for t in at(history, "retrain")} <= good


@BOTH
def test_if_everything_fails_it_is_done(strategy):
    history, stop = run(strategy, evaluate=lambda _: (Outcome.FAILED, {}))
    assert stop == Stop("done") and len(history) == strategy.budget


def test_one_network_in_two_notations_is_trained_once():
    """`none` on 1->3 leaves 0->1 without a reader: two cells without weights, one digest."""
    space = NB201
    cells = [
        "|avg_pool_3x3~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|",
        "|skip_connect~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|",
        "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|",
    ]
    twins = [space.parse(text) for text in cells]
    assert twins[0].digest == twins[1].digest != twins[2].digest
    trials = [
        Trial(i, Proposal(a), Outcome.OK, {"independence": 1.0, "params": 1.0})
        for i, a in enumerate(twins)
    ]
    assert [t.number for t in best(trials, OBJECTIVES, 3)] == [0, 2]


@BOTH
def test_a_space_smaller_than_the_budget_is_searched_whole(strategy):
    history, stop = run(strategy, Tiny())
    scored = at(history, "score")
    assert {t.architecture for t in scored} == set(Tiny()) and len(scored) == 6
    assert stop == Stop("exhausted") and at(history, "retrain")


@BOTH
def test_an_exhausted_space_without_a_feasible_one_is_infeasible(strategy):
    history, stop = run(strategy, Tiny(), evaluate=lambda _: (Outcome.INFEASIBLE, {}))
    assert stop == Stop("infeasible") and len(history) == 6


@BOTH
def test_every_prefix_continues_to_the_same_history(strategy):
    whole, stop = run(strategy)
    for length in (1, 17, 31, 41, 49, len(whole)):
        again, same = run(replace(strategy), history=whole[:length])
        assert names(again) == names(whole) and same == stop


@BOTH
def test_trials_out_of_order_or_repeated_do_no_harm(strategy):
    whole, _ = run(strategy)
    for length in (1, 10, 30, 35, 43, 50, len(whole)):
        prefix = whole[:length]
        expected = strategy.ask(NB201, prefix, generator(0, prefix))
        shuffled = random.Random(length).sample(prefix, len(prefix))
        for history in (shuffled, prefix * 2, [*shuffled, *prefix]):
            assert strategy.ask(NB201, history, generator(0, prefix)) == expected


def test_another_seed_samples_others():
    assert names(run(RANDOM, seed=1)[0]) != names(run(RANDOM, seed=0)[0])


PROGRAM = """
import sys
sys.path.insert(0, {here!r})
import test_folds
from nascout.search.funnel import Funnel
funnel = Funnel(budget=15, objectives=test_folds.OBJECTIVES, shortlist=4, retrain=2)
history, stop = test_folds.run(funnel)
print([(str(t.architecture), t.stage, t.proposal.epochs) for t in history], stop)
"""


@pytest.mark.slow
def test_another_process_proposes_the_same():
    funnel = Funnel(budget=15, objectives=OBJECTIVES, shortlist=4, retrain=2)
    history, stop = run(funnel)
    command = [sys.executable, "-c", PROGRAM.format(here=str(Path(__file__).parent))]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert there.strip() == f"{names(history)} {stop}"


def test_asking_is_quick_after_hundreds_of_trials():
    """The fold is asked once per trial: it must not cost what a training step costs."""
    space = NB201
    rng = random.Random(0)
    proposals = [Proposal(space.sample(rng)) for _ in range(300)]
    history = [Trial(i, p, *succeed(p)) for i, p in enumerate(proposals)]
    times = []
    for _ in range(5):
        start = time.perf_counter()
        FUNNEL.ask(space, history, generator(0, history))
        times.append(time.perf_counter() - start)
    assert min(times) < 0.1


def test_what_sampling_keeps_missing_is_looked_for(monkeypatch):
    """With no patience for luck, every architecture is still proposed, each once."""
    monkeypatch.setattr(sys.modules["nascout.search.strategy"], "PATIENCE", 1)
    history, stop = run(RandomSearch(budget=6, objectives=OBJECTIVES), Tiny())
    assert {t.architecture for t in at(history, "score")} == set(Tiny())
    assert stop == Stop("done")
