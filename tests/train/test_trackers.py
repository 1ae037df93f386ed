"""What trackers are sent by each of the loops; TensorBoard's own reader where it is installed."""

import importlib
import math
import sys
from types import SimpleNamespace

import pytest
import torch

from nascout.data import Arrays, Split
from nascout.data.text import make_text
from nascout.errors import MissingExtra
from nascout.network.language_model import language_model
from nascout.oneshot import METHODS, share
from nascout.space import SPACES
from nascout.train import Epoch, Recipe, fit, mlflow, tensorboard, wandb
from nascout.train.language import fit_language
from nascout.train.language_recipe import language_recipes
from nascout.train.parallel import Crew

EPOCHS = [Epoch(1, 2, 0.5, None, 0.1, 2.0), Epoch(2, 2, 0.25, 90.0, 0.05, 3.0)]
SENT = [
    ({"train_loss": 0.5, "lr": 0.1, "seconds": 2.0}, 1),
    ({"train_loss": 0.25, "val_metric": 90.0, "lr": 0.05, "seconds": 3.0}, 2),
]
TRACKERS = {"tensorboard": lambda: tensorboard("nowhere"), "wandb": wandb, "mlflow": mlflow}


@pytest.fixture
def calls(monkeypatch):
    """Stand-ins for both packages, and what they were asked to do."""
    made = []
    run = SimpleNamespace(log=lambda numbers, step: made.append((numbers, step)))

    def init(**settings):
        made.append(settings)
        return run

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(run=None, init=init))
    log = SimpleNamespace(log_metrics=lambda numbers, step: made.append((numbers, step)))
    monkeypatch.setitem(sys.modules, "mlflow", log)
    return made


def split():
    generator = torch.Generator().manual_seed(0)
    part = Arrays(torch.rand(24, 1, 8, 8, generator=generator), torch.arange(24) % 2)
    return Split(part, part, None, 2, torch.zeros(1), torch.ones(1), flip=False)


def test_wandb_starts_a_run_and_logs_every_epoch(calls):
    listener = wandb(project="cells", mode="offline")
    for epoch in EPOCHS:
        listener(epoch)
    assert calls == [{"project": "cells", "mode": "offline"}, *SENT]


def test_wandb_takes_the_run_that_there_is(calls, monkeypatch):
    logged = []
    run = SimpleNamespace(log=lambda numbers, step: logged.append((numbers, step)))
    monkeypatch.setattr(sys.modules["wandb"], "run", run)
    wandb(project="other")(EPOCHS[0])
    assert (logged, calls) == (SENT[:1], [])


def test_mlflow_logs_every_epoch(calls):
    listener = mlflow()
    for epoch in EPOCHS:
        listener(epoch)
    assert calls == SENT


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_named(name, monkeypatch):
    module = "torch.utils.tensorboard" if name == "tensorboard" else name
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"nascout\[{name}\]"):
        TRACKERS[name]()


def test_only_the_first_process_sends(calls, monkeypatch):
    monkeypatch.setattr("nascout.train.trackers.find_crew", lambda: Crew(1, 2))
    for listener in (wandb(project="cells"), mlflow()):
        listener(EPOCHS[0])
    assert calls == []


def test_fit(calls):
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    trained = fit(net, split(), Recipe("short", "none", 2, 8, 0.1), on_epoch=mlflow())
    for (numbers, step), epoch in zip(calls, trained.curve, strict=True):
        assert (step, numbers["val_metric"]) == (epoch.epoch, epoch.val_metric)


def test_fit_language(calls):
    text = make_text("abc", [list("abc" * 300), list("abc" * 20), list("abc" * 20)])
    space = SPACES["darts_rnn"](width=4)
    net = language_model(space.parse(space.known["darts_rnn_v2"]), vocabulary=3)
    trained = fit_language(net, text, language_recipes["short"], epochs=1, on_epoch=mlflow())
    ((numbers, step),) = calls
    (epoch,) = trained.curve
    assert (step, numbers["val_perplexity"]) == (1, epoch.val_perplexity)
    assert numbers["averaged"] == float(epoch.averaged)


def test_share(calls):
    """Names of edges, which MLflow would refuse, are written out."""
    space = SPACES["nasbench201"](channels=4, cells=1, classes=2, input_shape=(1, 8, 8))
    share(METHODS["darts"](epochs=1, batch_size=8), space, split(), on_epoch=mlflow())
    ((numbers, _),) = calls
    edge = [numbers[f"weights/0 to 1/{place}"] for place in range(5)]
    assert math.isclose(sum(edge), 1, abs_tol=1e-6)
    assert 0 < numbers["numbers/entropy"] <= math.log(5) + 1e-6
    assert not any(name.startswith("architecture") for name in numbers)


def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboard")
    reader = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    listener = tensorboard(tmp_path)
    for epoch in EPOCHS:
        listener(epoch)
    events = reader.EventAccumulator(str(tmp_path)).Reload()
    found = {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }
    assert found == {
        "train_loss": [(1, 0.5), (2, 0.25)],
        "val_metric": [(2, 90.0)],
        "lr": [(1, pytest.approx(0.1)), (2, pytest.approx(0.05))],
        "seconds": [(1, 2.0), (2, 3.0)],
    }
