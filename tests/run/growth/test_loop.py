"""The queues: what comes next, when it ends, and that a crash between any two steps costs none."""

from itertools import combinations

import pytest

from nascout.errors import AllFailed, Infeasible
from nascout.records import Outcome
from nascout.run.growth.plan import Budget
from nascout.run.growth.weights import born_folder, checkpoint_file
from nascout.train import Stopped


def content(store):
    return store.models(), [(j.number, j.kind, j.model, j.parent, j.outcome) for j in store.jobs()]


def test_parent_then_candidates_and_child_by_turns(go, plan, scripted):
    engine = scripted()
    reason, store = go(plan(2), engine)
    assert reason == "done"
    kinds = [kind for _, kind in engine.taken]
    assert kinds == ["parent", "candidates", "child", "candidates", "child"]
    assert [model.number for model in store.models()] == [0, 1, 2]
    assert all(job.state == "done" and job.attempts == 1 for job in store.jobs())


def test_several_at_a_time_never_plan_more_children_than_asked(go, plan, scripted):
    engine = scripted(room=3)
    reason, store = go(plan(4), engine)
    assert reason == "done"
    assert sum(model.parent is not None for model in store.models()) == 4
    assert sum(kind == "candidates" for _, kind in engine.taken) == 4


def lowest_error(points, cost):
    """The lower hull at a cost, by brute force over pairs, with Petridish's closing point."""
    points = [*points, (2 * max(x for x, _ in points), min(y for _, y in points))]
    found = [y for x, y in points if x == cost]
    for (x1, y1), (x2, y2) in combinations(points, 2):
        if x1 != x2 and min(x1, x2) <= cost <= max(x1, x2):
            found.append(y1 + (y2 - y1) * (cost - x1) / (x2 - x1))
    return min(found)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["petridish", "archai"])
def test_every_parent_is_near_the_hull_of_its_time(go, plan, scripted, method):
    _, store = go(plan(20, method=method), scripted())
    values = {m.number: m.values for m in store.models()}
    known, parents = [0], set()
    for job in store.jobs():
        if job.kind == "candidates":
            points = {n: (values[n]["macs"], 100 - values[n]["val_accuracy"]) for n in known}
            cost, error = points[job.parent]
            assert error <= 1.025 * lowest_error(list(points.values()), cost) + 1e-9
            parents.add(job.parent)
        elif job.kind == "child":
            known.append(job.model)
    assert 1 < len(parents) < len(known)  # some were grown, some were not worth it


@pytest.mark.slow
def test_another_objective_is_weighed(go, plan, scripted, tmp_path):
    _, by_macs = go(plan(15), scripted(), tmp_path / "a")
    _, by_ms = go(plan(15, objective="latency_ms"), scripted(), tmp_path / "b")
    assert [job.parent for job in by_macs.jobs()] != [job.parent for job in by_ms.jobs()]


@pytest.mark.slow
def test_a_crash_before_any_step_and_a_resumption_change_nothing(go, plan, scripted, tmp_path):
    _, undisturbed = go(plan(3), scripted(), tmp_path / "whole")
    whole = content(undisturbed)
    steps = len(undisturbed.jobs())
    for crash_at in range(steps):
        folder = tmp_path / str(crash_at)
        crashed = scripted(crash_at=crash_at)
        with pytest.raises(KeyboardInterrupt):
            go(plan(3), crashed, folder)
        resumed = scripted()
        _, store = go(plan(3), resumed, folder)
        assert content(store) == whole
        # Nothing that was done is done again.
        assert not set(crashed.taken) & set(resumed.taken)
        assert [job.attempts for job in store.jobs()] == [1 + (n == crash_at) for n in range(steps)]


@pytest.mark.slow
def test_a_crash_at_every_step_in_turn(go, plan, scripted, tmp_path):
    whole = content(go(plan(3), scripted(), tmp_path / "whole")[1])
    for _ in range(len(whole[1]) - 1):
        with pytest.raises(KeyboardInterrupt):
            go(plan(3), scripted(crash_at=1), tmp_path / "often")
    assert content(go(plan(3), scripted(), tmp_path / "often")[1]) == whole


@pytest.mark.slow
def test_a_larger_budget_goes_on(go, plan, scripted, tmp_path):
    whole = content(go(plan(6), scripted(), tmp_path / "whole")[1])
    go(plan(2), scripted(), tmp_path / "more")
    assert content(go(plan(6), scripted(), tmp_path / "more")[1]) == whole


def test_time_that_is_spent_begins_no_step(go, plan, scripted):
    go(plan(3), scripted())
    engine = scripted()
    reason, _ = go(plan(budget=Budget(1e-9, "seconds")), engine)
    assert (reason, engine.taken) == ("done", [])


def test_infeasible_children_are_kept_untrained_and_end_the_run(go, plan, scripted):
    def outcome(job):
        return Outcome.INFEASIBLE if job.kind == "candidates" else Outcome.OK

    engine = scripted(outcome=outcome)
    reason, store = go(plan(3), engine)
    assert reason == "infeasible"
    assert "child" not in [kind for _, kind in engine.taken]
    states = [(model.state, "val_accuracy" in model.values) for model in store.models()]
    assert states == [("trained", True)] + 10 * [("infeasible", False)]


@pytest.mark.parametrize("failure", [Outcome.NONFINITE, Outcome.OOM, Outcome.FAILED])
def test_a_failure_is_an_outcome_and_the_run_goes_on(go, plan, scripted, failure):
    def outcome(job):
        return failure if job.model == 1 and job.kind == "child" else Outcome.OK

    reason, store = go(plan(3), scripted(outcome=outcome))
    assert reason == "done"
    failed = store.models()[1]
    assert (failed.state, failed.message) == (str(failure), "why")
    assert "val_accuracy" not in failed.values
    assert all(job.parent != 1 for job in store.jobs())


def test_ten_failures_in_a_row_end_the_run(go, plan, scripted):
    def outcome(job):
        return Outcome.OK if job.kind == "parent" else Outcome.FAILED

    reason, store = go(plan(50), scripted(outcome=outcome))
    assert reason == "failing"
    assert len(store.jobs()) == 11
    assert len(store.models()) == 1


def test_a_dead_process_is_tried_three_times(go, plan, scripted):
    def outcome(job):
        return Outcome.KILLED if job.number == 1 else Outcome.OK

    reason, store = go(plan(1), scripted(outcome=outcome))
    assert reason == "done"
    killed = store.jobs()[1]
    assert (killed.outcome, killed.attempts) == (Outcome.KILLED, 3)
    assert sum(model.parent is not None for model in store.models()) == 1


def test_a_model_that_cannot_be_measured(go, plan, scripted):
    for _ in range(2):  # nor when it is resumed
        with pytest.raises(AllFailed, match="cannot be measured: nonfinite"):
            go(plan(1), scripted(outcome=lambda job: Outcome.NONFINITE))


def test_a_model_that_breaks_a_constraint_itself(go, plan, scripted):
    with pytest.raises(Infeasible, match=r"the model itself breaks macs<=50 \(macs = 100\)"):
        go(plan(1, constraints=["macs<=50"]), scripted())


def test_a_lower_bound_can_still_be_reached(go, plan, scripted):
    assert go(plan(1, constraints=["macs>=150"]), scripted())[0] == "done"


def test_a_stop_gives_the_step_back(go, plan, scripted):
    class Stopping(scripted):
        def result(self):
            if len(self.taken) == 3:
                raise Stopped
            return super().result()

    with pytest.raises(Stopped):
        go(plan(3), Stopping())
    _, store = go(plan(3), scripted())
    assert {job.state for job in store.jobs()} == {"done"}


def test_what_only_a_step_needed_is_removed_after_it(go, plan, scripted, tmp_path):
    class Writing(scripted):
        def result(self):
            job, made = super().result()
            for path in (checkpoint_file(tmp_path, job), born_folder(tmp_path, job.model) / "w"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            return job, made

    go(plan(2), Writing())
    assert list((tmp_path / "checkpoints").iterdir()) == []
    assert [path.name for path in (tmp_path / "born").iterdir()] == ["0"]
