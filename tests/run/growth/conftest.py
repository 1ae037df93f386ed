"""An engine that trains nothing, so that queues and stores can be watched quickly."""

import random

import pytest

from nascout.records import Constraint, Outcome
from nascout.run.growth.loop import grow_loop
from nascout.run.growth.plan import Budget, GrowthPlan
from nascout.run.growth.records import Made
from nascout.run.growth.store import GrowthStore

ADDED = (("layer", (("stem", "sep3"), ("input", "identity"))),)


class Scripted:
    """Says what a step made, as a function of the step alone; ``room`` at a time."""

    def __init__(self, room=1, outcome=lambda job: Outcome.OK, crash_at=None):
        self.room, self.outcome, self.crash_at = room, outcome, crash_at
        self.taken, self.pending = [], []

    @property
    def free(self):
        return self.room - len(self.pending)

    def submit(self, job):
        if self.crash_at is not None and len(self.taken) == self.crash_at:
            raise KeyboardInterrupt
        assert self.free
        self.taken.append((job.number, job.kind))
        self.pending.append(job)

    def result(self):
        job = self.pending.pop(0)
        return job, made(job, self.outcome(job))

    def close(self):
        pass


def made(job, outcome=Outcome.OK):
    rng = random.Random(job.seed)
    costs = {"params": 10 + job.model, "macs": 100 * (1 + job.model), "activation_bytes": 64}
    costs["latency_ms"] = rng.uniform(1, 2)
    if outcome not in (Outcome.OK, Outcome.INFEASIBLE):
        return Made(outcome, message="why")
    if job.kind == "candidates":
        return Made(outcome, costs, ADDED, seconds=1.0)
    accuracy = {"val_accuracy": rng.uniform(80, 99)}
    return Made(outcome, {**(costs if job.kind == "parent" else {}), **accuracy}, sha256="ab")


@pytest.fixture
def go(tmp_path):
    """``go(plan, engine)``: run or resume in one folder; returns why it ended and the store."""
    opened = []

    def run(plan, engine, folder=tmp_path, should_stop=lambda: False):
        folder.mkdir(exist_ok=True)
        store = GrowthStore(folder)
        opened.append(store)
        if store.config() is None:
            store.write_config(plan.identity())
        told, checked = [], []
        options = {"check": checked.append, "on_model": told.append, "should_stop": should_stop}
        return grow_loop(plan, store, engine, folder, **options), store

    yield run
    for store in opened:
        store.close()


@pytest.fixture
def plan():
    def make(children=4, **options):
        texts = options.pop("constraints", ())
        constraints = tuple(map(Constraint.parse, texts))
        budget = options.pop("budget", Budget(children, "children"))
        return GrowthPlan(budget=budget, constraints=constraints, **options)

    return make


@pytest.fixture
def scripted():
    return Scripted


@pytest.fixture
def added():
    return ADDED
