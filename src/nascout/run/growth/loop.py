"""Three queues: parents to grow, candidates to train and select from, children to train."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from nascout.errors import AllFailed, Infeasible
from nascout.growth.hull import sample_archai, sample_petridish
from nascout.records import Outcome
from nascout.run.growth.engine import Engine
from nascout.run.growth.plan import GrowthPlan
from nascout.run.growth.records import Job, Model
from nascout.run.growth.store import GrowthStore
from nascout.run.growth.weights import tidy
from nascout.train import Stopped

__all__ = ["choose_parent", "grow_loop"]

MOST_ATTEMPTS: Final = 3  # of a step whose process dies
HOPELESS: Final = 10  # steps in a row without a model to show


def grow_loop(
    plan: GrowthPlan,
    store: GrowthStore,
    engine: Engine,
    folder: Path,
    *,
    check: Callable[[Model], object],
    on_model: Callable[[Model], None],
    should_stop: Callable[[], bool],
) -> str:
    """Run or resume; every step is committed when it is done, and never done again.

    Waiting children come first, newest first, then candidates; when none waits, a parent is
    chosen. So with one worker every decision is a function of the store, and a resumed run
    decides as one that was never interrupted.

    Args:
        plan: the options.
        store: what was done so far; nobody else writes it.
        engine: does the steps.
        folder: of the run.
        check: called with a parent before it is grown; raises if its weights are damaged.
        on_model: told of every model whose state is final.
        should_stop: asked between steps.

    Returns:
        Why it ended: ``"done"``, ``"infeasible"`` or ``"failing"``, the latter two when the last
        ten steps gave no model.

    Raises:
        Stopped: ``should_stop`` said yes; everything finished is stored.
        AllFailed: the first model cannot be measured.
        Infeasible: it breaks a constraint that no addition can mend.
    """
    begun = time.monotonic() - max((job.elapsed for job in store.jobs()), default=0.0)
    _recover(plan, store, folder)
    deaths: Counter[int] = Counter()
    while True:
        while not should_stop() and engine.free:
            planned = _next(plan, store, time.monotonic() - begun)
            if planned is None:
                break
            if planned.kind == "candidates":
                check(next(m for m in store.models() if m.number == planned.parent))
            engine.submit(store.begin(planned))
        if not any(job.state == "running" for job in store.jobs()):
            if should_stop():
                raise Stopped
            return _reason(store.jobs())
        try:
            job, made = engine.result()
        except Stopped:
            _release(store)
            raise
        deaths[job.number] += made.outcome is Outcome.KILLED
        if made.outcome is Outcome.KILLED and deaths[job.number] < MOST_ATTEMPTS:
            store.release(job)
            continue
        model = store.finish(job, made, time.monotonic() - begun)
        tidy(folder, job)
        if model is not None and model.outcome is not None:
            on_model(model)
        if job.kind == "parent":
            _require(plan, model)


def _recover(plan: GrowthPlan, store: GrowthStore, folder: Path) -> None:
    """Take up a run that may have ended anywhere."""
    _release(store)
    for job in store.jobs():
        if job.state == "done":
            tidy(folder, job)
    for model in store.models():
        if model.parent is None:
            _require(plan, model)


def _release(store: GrowthStore) -> None:
    for job in store.jobs():
        if job.state == "running":
            store.release(job)


def _next(plan: GrowthPlan, store: GrowthStore, elapsed: float) -> Job | None:
    """The step to begin now; None if there is none, or no budget for it."""
    jobs = store.jobs()
    if not jobs:
        return store.plan("parent", None, plan.seed)
    if plan.budget.unit == "seconds" and elapsed >= plan.budget.amount:
        return None
    waiting = [job for job in jobs if job.state == "waiting"]
    if waiting:
        return max(waiting, key=lambda job: (job.kind == "child", job.number))
    if plan.budget.unit == "children" and _children(jobs) >= plan.budget.amount:
        return None
    if _reason(jobs) != "done":
        return None
    parent = choose_parent(plan, store.models(), jobs)
    return None if parent is None else store.plan("candidates", parent, plan.seed)


def _children(jobs: Sequence[Job]) -> int:
    """How many children were trained, or will be."""
    unsettled = sum(job.kind == "candidates" and job.state != "done" for job in jobs)
    return unsettled + sum(job.kind == "child" for job in jobs)


def choose_parent(plan: GrowthPlan, models: Sequence[Model], jobs: Sequence[Job]) -> int | None:
    """The number of the model to grow next; None if there is none yet.

    Trained models close to the lower convex hull of cost and error (100 - ``val_accuracy``), the
    rarely chosen first; see :mod:`nascout.growth.hull`.

    Args:
        plan: with the objective, and the method, whose released code says how to draw.
        models: the family so far.
        jobs: the steps so far; how often a model was chosen is how many candidates it got.
    """
    known = [model for model in models if model.outcome is Outcome.OK]
    if not known:
        return None
    sample = sample_archai if plan.method == "archai" else sample_petridish
    times = Counter(job.parent for job in jobs if job.kind == "candidates")
    chosen = sample(
        [model.values[plan.objective] for model in known],
        [100 - model.values["val_accuracy"] for model in known],
        [times[model.number] for model in known],
        random.Random(f"growth parent {plan.seed} {len(jobs)}"),
    )
    return known[chosen].number


def _require(plan: GrowthPlan, model: Model | None) -> None:
    """Refuse to grow from a model that is of no use."""
    assert model is not None  # a parent step makes one, whatever comes of it
    if model.outcome is not Outcome.OK:
        raise AllFailed(
            f"the model cannot be measured: {model.outcome}",
            f"It said: {(model.message.strip().splitlines() or ['nothing'])[-1]}",
        )
    broken = [c for c in plan.constraints if c.upper and not c.holds(model.values)]
    if broken:
        values = ", ".join(f"{c.metric} = {model.values.get(c.metric)}" for c in broken)
        raise Infeasible(
            f"the model itself breaks {', '.join(map(str, broken))} ({values})",
            "Growing only adds to it: loosen the constraint, or start from a smaller model.",
        )


def _reason(jobs: Sequence[Job]) -> str:
    """Whether the last steps all failed, and how."""
    last = [job.outcome for job in jobs if job.kind != "parent" and job.outcome][-HOPELESS:]
    if len(last) < HOPELESS or Outcome.OK in last:
        return "done"
    return "infeasible" if Outcome.INFEASIBLE in last else "failing"
