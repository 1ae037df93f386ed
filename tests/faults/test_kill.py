"""A search that is killed and started again ends like one that was left alone (F02, F06)."""

import random
import signal
import subprocess
import time

import pytest
from driver import content, finish, start

pytestmark = pytest.mark.slow
MOMENTS = 10
# On a machine that was slow for a while, no need to wait as long for every kill.
LONGEST = 30


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, cache):
    out = tmp_path_factory.mktemp("undisturbed")
    begun = time.monotonic()
    code, output = finish(start(out, cache))
    assert code == 0, output
    return out, time.monotonic() - begun


def test_two_runs_with_one_seed_give_the_same_gallery(undisturbed, cache, tmp_path):
    code, output = finish(start(tmp_path, cache))
    assert code == 0, output
    assert content(tmp_path) == content(undisturbed[0])


def test_killed_at_ten_random_moments_and_resumed(undisturbed, cache, tmp_path):
    out, seconds = undisturbed
    expected = content(out)
    rng = random.Random(0)
    kills, runs = 0, 1
    while kills < MOMENTS:
        folder = tmp_path / f"run{runs}"
        process = start(folder, cache)
        # From before the first trial to well into the trainings; progress adds up over kills.
        try:
            process.wait(rng.uniform(0.15, 0.6) * min(seconds, LONGEST))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
        else:  # it was done before the kill came: check it, and go on killing a new one
            assert finish(process)[0] == 0
            assert content(folder) == expected
            runs += 1
    code, output = finish(start(folder, cache))
    assert code == 0, output
    assert content(folder) == expected


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_cleanly_and_the_run_goes_on(undisturbed, cache, tmp_path, signum, code):
    out, seconds = undisturbed
    process = start(tmp_path, cache)
    while not (tmp_path / "run.sqlite").exists():
        time.sleep(0.05)
    time.sleep(0.1 * seconds)
    process.send_signal(signum)
    assert finish(process) == (
        code,
        f"error: stopped by signal {int(signum)}. Run the same command again to go on.\n",
    )
    assert (tmp_path / "report.html").exists()
    assert finish(start(tmp_path, cache))[0] == 0
    assert content(tmp_path) == content(out)


def test_a_second_process_is_told_who_has_the_run(undisturbed, cache, tmp_path):
    process = start(tmp_path, cache)
    while not (tmp_path / "run.sqlite").exists():
        time.sleep(0.05)
    code, output = finish(start(tmp_path, cache))
    process.kill()
    process.communicate()
    assert code == 74
    assert "another process is working on the run" in output


def test_missing_files_are_made_again_and_nothing_is_evaluated_twice(undisturbed, cache):
    out, _ = undisturbed
    before = content(out)
    (out / "report.html").unlink()
    (out / "best" / "model.json").unlink()
    code, output = finish(start(out, cache))
    assert code == 0, output
    assert (out / "report.html").exists()
    assert (out / "best" / "model.json").exists()
    assert content(out) == before


def test_another_seed_is_refused(undisturbed, cache):
    code, output = finish(start(undisturbed[0], cache, "--seed", "5"))
    assert code == 4
    assert output.startswith("error: the run in this folder has seed = 0, now it is 5.")
    assert output.count("\n") == 1
