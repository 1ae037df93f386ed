"""Whole searches, small."""

import importlib.util
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import nascout
from nascout.errors import (
    AllFailed,
    ConfigError,
    DataError,
    Infeasible,
    IntegrityError,
    RunMismatch,
)
from nascout.records import Outcome

pytestmark = pytest.mark.slow
TINY = {"shortlist": 2, "retrain": 1, "epochs": 1, "final_epochs": 2}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def blobs(n=90, size=8, channels=3, seed=0):
    """Three classes of images that differ in brightness: learnable at a glance."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.integers(0, 80, (n, size, size, channels)) + 80 * y[:, None, None, None]
    return x.astype(np.uint8), y


@pytest.fixture
def npz(tmp_path):
    x, y = blobs()
    test_x, test_y = blobs(30, seed=1)
    path = tmp_path / "blobs.npz"
    np.savez(path, x_train=x, y_train=y, x_test=test_x, y_test=test_y)
    return path


def test_search_on_the_users_arrays_under_constraints(npz, tmp_path):
    run = nascout.search(
        data=npz,
        out=tmp_path / "run",
        budget=8,
        constraints=["params<=40000", "macs <= 1e6"],
        strategy_options=TINY,
        progress=False,
    )
    for trial in run.trials:
        broken = trial.values["params"] > 40000 or trial.values["macs"] > 1e6
        assert broken == (trial.outcome is Outcome.INFEASIBLE)
    assert sum(t.outcome is Outcome.OK and t.stage == "score" for t in run.trials) <= 8
    best = run.best
    assert best.stage == "retrain"
    assert best.values["params"] <= 40000
    assert {"retrained_val_accuracy", "test_accuracy", "measured_latency_ms"} <= best.values.keys()


def test_the_exported_network_is_the_best_one(npz, tmp_path):
    run = nascout.search(
        data=npz, out=tmp_path / "run", budget=4, strategy_options=TINY, progress=False
    )
    folder = tmp_path / "run" / "best"
    card = json.loads((folder / "model.json").read_text())
    assert card["metadata"]["digest"] == run.best.digest
    spec = importlib.util.spec_from_file_location("exported", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    exported = module.Model().eval()
    exported.load_state_dict(load_file(folder / "model.safetensors"))
    x = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(exported(x), run.best.build()(x), rtol=1e-5, atol=1e-5)


def test_free_form_space_random_strategy_and_a_torch_dataset(tmp_path):
    x, y = blobs()
    dataset = torch.utils.data.TensorDataset(
        torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(y)
    )
    run = nascout.search(
        "freeform",
        dataset,
        out=tmp_path / "run",
        strategy="random",
        score="epsilon",
        budget=5,
        space_options={"channels": 4, "depth": 4},
        strategy_options={"final_epochs": 2},
        progress=False,
    )
    scored = [t for t in run.trials if t.stage == "score" and t.outcome is Outcome.OK]
    assert all("epsilon" in t.values for t in scored)
    top = max(scored, key=lambda t: t.values["epsilon"])
    assert run.best.digest == top.architecture.digest


def test_a_space_with_its_skeleton_set(npz, tmp_path):
    space = nascout.space("nasbench201", channels=4, cells=2, classes=3, input_shape=(3, 8, 8))
    options = {"budget": 3, "strategy_options": TINY, "progress": False}
    run = nascout.search(space, npz, out=tmp_path / "run", **options)
    assert run.best.architecture.space == space
    wrong = nascout.space("nasbench201", classes=10, input_shape=(3, 8, 8))
    with pytest.raises(ConfigError, match="The data wants classes=3"):
        nascout.search(wrong, npz, out=tmp_path / "other", **options)
    with pytest.raises(ConfigError, match="beside a space that is already made"):
        nascout.search(space, npz, out=tmp_path / "x", space_options={"cells": 1}, **options)


def test_nothing_satisfies_the_constraints(npz, tmp_path):
    with pytest.raises(Infeasible) as error:
        nascout.search(
            data=npz, out=tmp_path / "run", budget=3, constraints=["params<=10"], progress=False
        )
    assert error.value.exit_code == 3
    assert "params" in str(error.value)
    run = nascout.Run(tmp_path / "run")
    assert {t.outcome for t in run.trials} == {Outcome.INFEASIBLE}
    assert (tmp_path / "run" / "report.html").exists()


def test_every_candidate_fails(npz, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr("nascout.run.evaluator.build", broken)
    monkeypatch.setattr("nascout.network.population.lower", broken)
    with pytest.raises(AllFailed, match="no such kernel") as error:
        nascout.search(data=npz, out=tmp_path / "run", budget=30, progress=False)
    assert error.value.exit_code == 3


def test_other_data_is_another_run(npz, tmp_path):
    options = {"budget": 3, "strategy_options": TINY, "progress": False, "out": tmp_path / "run"}
    nascout.search(data=npz, **options)
    x, y = blobs(seed=7)
    np.savez(npz, x_train=x, y_train=y)
    with pytest.raises(RunMismatch, match=r"data\.digest"):
        nascout.search(data=npz, **options)


def test_missing_weights_are_named_not_replaced_by_random_ones(npz, tmp_path):
    options = {"budget": 3, "strategy_options": TINY, "progress": False, "out": tmp_path / "run"}
    run = nascout.search(data=npz, **options)
    run.best.weights.unlink()
    with pytest.raises(IntegrityError, match=r"trained weights .* are missing"):
        nascout.Run(tmp_path / "run").best.build()


def test_bad_data_is_one_line(tmp_path):
    np.savez(tmp_path / "bad.npz", images=np.zeros((2, 8, 8)), labels=np.zeros(2))
    with pytest.raises(DataError, match="x_train") as error:
        nascout.search(data=tmp_path / "bad.npz", out=tmp_path / "run", progress=False)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()
