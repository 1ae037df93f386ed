"""Runs ``nascout search`` in a process of its own, small enough to be killed often."""

import os
import subprocess
import sys

KNOBS = ("shortlist=4", "epochs=1", "retrain=2", "final_epochs=3")
OPTIONS = ["--quiet", "--budget=24", *(f"--strategy-option={knob}" for knob in KNOBS)]


def start(out, cache, *options):
    """A running search; its output is captured."""
    env = os.environ | {
        "XDG_CACHE_HOME": str(cache),
        "OMP_WAIT_POLICY": "passive",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "nascout", "search", "--out", str(out), *OPTIONS, *options]
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process, timeout=900):
    """Exit code and output of a search that is left alone."""
    output, _ = process.communicate(timeout=timeout)
    return process.returncode, output


def content(out):
    """What two equal runs share: the sequence of trials and the front, without clock readings."""
    from nascout import Run

    run = Run(out)
    trials = [
        (
            trial.architecture.digest,
            trial.stage,
            trial.proposal.epochs,
            trial.outcome,
            {k: v for k, v in trial.values.items() if k != "measured_latency_ms"},
        )
        for trial in run.trials
    ]
    return trials, [entry.digest for entry in run.gallery().front()]
