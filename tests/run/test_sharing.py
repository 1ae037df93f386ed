"""A search by weight sharing: shared, scored, retrained from scratch, taken up again."""

import json

import pytest
import torch

import nascout
from nascout.errors import ConfigError, Infeasible, Interrupted, RunMismatch
from nascout.network import build
from nascout.run.watcher import Watcher

OPTIONS = {
    "space": "nasbench201",
    "space_options": {"channels": 4},
    "progress": False,
}


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(120) % 3
    return torch.randn(120, 1, 8, 8, generator=generator) + y[:, None, None, None], y


def search(data, out, strategy="rsps", constraints=(), **knobs):
    knobs = {"epochs": 2, "final_epochs": 1, "batch_size": 16, **knobs}
    if strategy == "rsps":
        knobs.setdefault("samples", 3)
    return nascout.search(
        data=data,
        out=out,
        strategy=strategy,
        strategy_options=knobs,
        constraints=constraints,
        **OPTIONS,
    )


@pytest.mark.slow
def test_it_ends_with_a_network_trained_from_scratch(data, tmp_path):
    run = search(data, tmp_path / "run")
    scored = [t for t in run.trials if t.stage == "score"]
    shared = [t.values["shared_val_accuracy"] for t in scored]
    assert len(scored) <= 3 and shared == sorted(shared, reverse=True)
    best = run.best
    assert best.architecture == scored[0].architecture
    assert "retrained_val_accuracy" in best.values and "val_accuracy" not in best.values
    # As scratch as it gets: the weights of the seed, not the shared ones, were the start.
    again = build(best.architecture, seed=0)
    assert {n for n, _ in again.named_parameters()} == {
        n for n, _ in best.build().named_parameters()
    }


@pytest.mark.slow
def test_gates_are_drawn_in_the_report(data, tmp_path):
    search(data, tmp_path / "run", "darts", epochs=3)
    content = json.loads((tmp_path / "run/sharing.json").read_text())
    assert [epoch["epoch"] for epoch in content["curve"]] == [1, 2, 3]
    assert content["curve"][0]["options"]["0->1"][1] == "skip_connect"
    page = (tmp_path / "run/report.html").read_text()
    for title in ("mean weight of an option", "skips", "entropy", "training loss"):
        assert f"{title}, weights shared" in page


@pytest.mark.slow
def test_interrupted_and_taken_up(data, tmp_path):
    whole = search(data, tmp_path / "whole", "darts", epochs=3)

    class Impatient(Watcher):
        def epoch(self, epoch):
            import os
            import signal

            if epoch.epoch == 1:
                os.kill(os.getpid(), signal.SIGINT)

    options = {"epochs": 3, "final_epochs": 1, "batch_size": 16}
    with pytest.raises(Interrupted):
        nascout.search(
            data=data,
            out=tmp_path / "parts",
            strategy="darts",
            strategy_options=options,
            **{**OPTIONS, "progress": Impatient()},
        )
    parts = search(data, tmp_path / "parts", "darts", epochs=3)
    curves = [[{**epoch, "seconds": 0} for epoch in run.sharing()] for run in (whole, parts)]
    assert curves[0] == curves[1]
    assert parts.best.digest == whole.best.digest
    assert parts.best.values["test_accuracy"] == whole.best.values["test_accuracy"]


@pytest.mark.slow
def test_other_knobs_are_another_run(data, tmp_path):
    search(data, tmp_path / "run", epochs=1)
    with pytest.raises(RunMismatch, match="epochs"):
        search(data, tmp_path / "run", epochs=2)


@pytest.mark.slow
def test_constraints_hold_for_what_is_found(data, tmp_path):
    with pytest.raises(Infeasible):
        search(data, tmp_path / "run", epochs=1, constraints=["params<=10"])


def test_a_budget_of_architectures_means_nothing(data, tmp_path):
    with pytest.raises(ConfigError, match="Give it epochs"):
        nascout.search(data=data, out=tmp_path / "run", strategy="darts", budget=5, **OPTIONS)
    with pytest.raises(ConfigError, match="no option 'tau'"):
        search(data, tmp_path / "run", "darts", tau=1)
