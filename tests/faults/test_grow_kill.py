"""A growing run that is killed and started again ends like one that was left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nascout import GrownRun
from nascout.data import load
from nascout.errors import ConfigError

pytestmark = pytest.mark.slow
CODE = Path(__file__).parents[1] / "growth_models" / "user_models.py"
MOMENTS = int(os.environ.get("NASCOUT_KILLS", "3"))  # 20 to be sure
LONGEST = 60
OPTIONS = [
    *("--budget", "4 children", "--at-once", "2", "--inputs", "2", "--quiet"),
    *("--parent-epochs", "2", "--candidate-epochs", "2", "--child-epochs", "4"),
    *("--operation", "sep3", "--operation", "identity"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    arrays = load("digits").train
    path = tmp_path_factory.mktemp("data") / "some.npz"
    np.savez(path, x_train=arrays.x[:400].numpy(), y_train=arrays.y[:400].numpy())
    return path


def start(out, data, *options):
    env = os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}
    arguments = ["grow", f"{CODE}:make_cnn", "--data", str(data), "--out", str(out)]
    command = [sys.executable, "-m", "nascout", *arguments, *OPTIONS, *options]
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process, timeout=280):
    output, _ = process.communicate(timeout=timeout)
    return process.returncode, output


def content(out):
    """What two equal runs share: models, their weights and steps.

    Not latencies, nor which models were on the front of latency, and therefore tested.
    """
    clocked = ("latency_ms", "test_accuracy")
    family = GrownRun(out).gallery()
    models = []
    for member in family.members:
        one = member.model
        values = {name: value for name, value in one.values.items() if name not in clocked}
        models.append((one.number, one.parent, one.added, one.outcome, values, one.sha256))
    return models, [(j.number, j.kind, j.model, j.parent, j.outcome) for j in family.jobs]


def settled(out):
    """Every step that is done, how often it was begun, and when its model's files were written."""
    if not (out / "growth.sqlite").exists():
        return {}
    try:
        jobs = GrownRun(out).gallery().jobs
    except ConfigError:  # killed before it was configured
        return {}
    return {
        job.number: (
            job.attempts,
            job.seconds,
            job.elapsed,
            [p.stat().st_mtime_ns for p in sorted((out / "models" / str(job.model)).glob("*"))]
            if job.kind != "candidates"
            else [],
        )
        for job in jobs
        if job.state == "done"
    }


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    begun = time.monotonic()
    code, output = finish(start(out, data))
    assert code == 0, output
    return out, time.monotonic() - begun


def test_killed_at_random_moments_and_resumed(undisturbed, data, tmp_path):
    whole, seconds = undisturbed
    expected = content(whole)
    rng = random.Random(1)
    kills, runs, before = 0, 1, {}
    while kills < MOMENTS:
        folder = tmp_path / f"run{runs}"
        process = start(folder, data)
        try:
            process.wait(rng.uniform(0.25, 0.75) * min(seconds, LONGEST))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            # What was done before is as it was: nothing is trained twice.
            now = settled(folder)
            assert before.items() <= now.items()
            before = now
        else:  # it was done before the kill came: check it, and go on killing a new one
            assert finish(process)[0] == 0
            assert content(folder) == expected
            runs, before = runs + 1, {}
    code, output = finish(start(folder, data))
    assert code == 0, output
    assert content(folder) == expected
    assert before.items() <= settled(folder).items()
    attempts = [attempts for attempts, *_ in settled(folder).values()]
    assert sum(attempts) <= len(attempts) + kills  # a kill costs no more than the running step


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_cleanly_and_the_run_goes_on(undisturbed, data, tmp_path, signum, code):
    whole, _ = undisturbed
    process = start(tmp_path, data)
    while not list(tmp_path.glob("models/0/*")):
        time.sleep(0.05)
    process.send_signal(signum)
    assert finish(process) == (
        code,
        f"error: stopped by signal {int(signum)}. Run the same command again to go on.\n",
    )
    assert (tmp_path / "report.html").exists()
    assert {job.state for job in GrownRun(tmp_path).gallery().jobs} <= {"waiting", "done"}
    if signum == signal.SIGTERM:
        assert finish(start(tmp_path, data))[0] == 0
        assert content(tmp_path) == content(whole)


def test_another_seed_is_refused(undisturbed, data):
    code, output = finish(start(undisturbed[0], data, "--seed", "5"))
    assert code == 4
    assert output.startswith("error: the run in this folder has ")
    assert output.count("\n") == 1


def test_workers_die_with_the_process_that_started_them(data, tmp_path):
    psutil = pytest.importorskip("psutil")
    process = start(tmp_path, data, "--workers", "2")
    while not list(tmp_path.glob("models/0/*")):
        time.sleep(0.05)
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) >= 2
    process.send_signal(signal.SIGKILL)
    process.communicate()
    gone, alive = psutil.wait_procs(below, timeout=30)
    assert (len(gone), alive) == (len(below), [])
