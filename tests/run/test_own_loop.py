import pytest
import torch
from torch import nn

import nascout
from nascout.errors import ConfigError, RunMismatch
from nascout.run.own_loop import own_name, own_values
from nascout.train import Diverged

NET = nn.Linear(2, 2)


def test_values_get_the_names_of_their_stage():
    def own(net, budget):
        return {
            "val_accuracy": budget + 0.5,
            "test_accuracy": 7,
            "recall": torch.tensor(2.0).item(),
        }

    assert own_values(own, NET, "train", 3) == {"val_accuracy": 3.5, "recall": 2.0}
    expected = {"retrained_val_accuracy": 9.5, "test_accuracy": 7.0, "recall": 2.0}
    assert own_values(own, NET, "retrain", 9) == expected


@pytest.mark.parametrize("found", [None, 0.5, {}, {"accuracy": 1.0}, {"val_accuracy": "high"}])
def test_what_is_no_answer_is_refused(found):
    with pytest.raises(ConfigError, match="test_own_loop"):
        own_values(lambda net, budget: found, NET, "train", 1)


def test_nan_is_an_outcome():
    with pytest.raises(Diverged):
        own_values(lambda net, budget: {"val_accuracy": float("nan")}, NET, "train", 1)


class Loop:
    """Says that wide first kernels are good, without training; marks what it was given."""

    def __init__(self):
        self.calls = []

    def __call__(self, net, budget):
        self.calls.append(budget)
        params = sum(p.numel() for p in net.parameters())
        with torch.no_grad():
            next(net.parameters()).fill_(budget)
        if params % 3 == 0:
            return {"val_accuracy": float("nan")}
        return {"val_accuracy": params / 1e4, "test_accuracy": 50.0}


@pytest.mark.slow
def test_a_search_with_a_loop_of_ones_own(tmp_path):
    own = Loop()
    options = {
        "strategy": "random", "strategy_options": {"epochs": 2, "final_epochs": 5, "retrain": 1},
        "budget": 6, "space_options": {"channels": 4}, "out": tmp_path, "progress": False,
        "score": "naswot",
    }  # fmt: skip
    run = nascout.search("nasbench201", "digits", evaluate=own, **options)
    assert own.calls[-1] == 5
    assert set(own.calls[:-1]) == {2}
    for trial in run.trials:
        if trial.stage == "train" and trial.values:
            assert trial.values["val_accuracy"] == pytest.approx(trial.values["params"] / 1e4)
            assert "test_accuracy" not in trial.values
        elif trial.stage == "train":
            assert trial.outcome == "nonfinite"
    assert run.best.values["test_accuracy"] == 50
    weights = next(iter(run.best.build().parameters()))
    assert (weights == 5).all()  # what the loop left behind is what is kept
    with pytest.raises(RunMismatch, match="recipes"):
        nascout.search("nasbench201", "digits", **options)
    assert own_name(own).endswith("test_own_loop.Loop")
