"""The loop evaluates each thing once, commits it, and goes on where it was."""

import random

import pytest

from nascout.errors import AllFailed
from nascout.records import Objective, Outcome
from nascout.run.loop import loop
from nascout.run.result import Result
from nascout.run.store import Store
from nascout.run.watcher import Watcher
from nascout.search import STRATEGIES
from nascout.train import Stopped

OBJECTIVES = (Objective("naswot", True), Objective("params", False))


class Counting:
    """A fake evaluator: values are a function of the digest; counts what it was asked."""

    def __init__(self, outcome=Outcome.OK, die_after=None):
        self.asked = []
        self.outcome = outcome
        self.die_after = die_after

    def __call__(self, proposal, on_epoch, should_stop):
        if self.die_after is not None and len(self.asked) >= self.die_after:
            raise Stopped
        self.asked.append((proposal.architecture.digest, proposal.stage, proposal.epochs))
        draw = random.Random(proposal.architecture.digest)
        names = ("naswot", "params", "val_accuracy", "retrained_val_accuracy")
        values = {name: draw.random() for name in names}
        return Result(self.outcome, values, "boom" if self.outcome is not Outcome.OK else "")


def funnel(budget=20):
    return STRATEGIES["funnel"](
        budget=budget, objectives=OBJECTIVES, shortlist=4, retrain=2, epochs=1, final_epochs=3
    )


def run(store, space, evaluate, strategy=None, should_stop=lambda: False):
    return loop(
        strategy or funnel(),
        space,
        store,
        evaluate,
        seed=0,
        watcher=Watcher(),
        should_stop=should_stop,
    )


def test_every_network_is_evaluated_once_per_stage(store, space):
    evaluate = Counting()
    assert run(store, space, evaluate) == "done"
    assert len(evaluate.asked) == len(set(evaluate.asked))
    stages = [t.stage for t in store.trials()]
    assert (stages.count("score"), stages.count("train"), stages.count("retrain")) == (20, 4, 2)


@pytest.mark.parametrize("after", [0, 1, 7, 19, 20, 22, 25])
def test_stopping_anywhere_and_going_on_gives_the_same_history(store, space, tmp_path, after):
    first = Counting(die_after=after)
    with pytest.raises(Stopped):
        run(store, space, first)
    second = Counting()
    run(store, space, second)
    (tmp_path / "other").mkdir()
    other = Store.in_folder(tmp_path / "other")
    other.write_config({"seed": 0})
    whole = Counting()
    run(other, space, whole)
    assert store.trials() == other.trials()
    assert first.asked + second.asked == whole.asked


def test_a_finished_run_asks_for_nothing(store, space):
    run(store, space, Counting())
    again = Counting()
    assert run(store, space, again) == "done"
    assert again.asked == []


def test_a_larger_budget_adds_to_what_is_there(store, space):
    run(store, space, Counting(), funnel(20))
    more = Counting()
    run(store, space, more, funnel(30))
    assert sum(stage == "score" for _, stage, _ in more.asked) <= 10
    assert sum(t.stage == "score" for t in store.trials()) == 30


def test_twenty_failures_stop_the_run_with_the_reason(store, space):
    with pytest.raises(AllFailed, match=r"the first 20 candidates all failed.*boom"):
        run(store, space, Counting(Outcome.FAILED))
    assert len(store.trials()) == 20


def test_should_stop_is_asked_before_each_evaluation(store, space):
    evaluate = Counting()
    with pytest.raises(Stopped):
        run(store, space, evaluate, should_stop=lambda: len(evaluate.asked) >= 3)
    assert len(store.trials()) == 3
