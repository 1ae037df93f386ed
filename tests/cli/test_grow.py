"""Three networks that know nothing of nascout, grown from a checkpoint on the command line."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_model
from typer.testing import CliRunner

from nascout.cli import app as cli
from nascout.data import load
from nascout.data.python_object import import_object
from nascout.errors import ConfigError
from nascout.train import accuracy, fit, recipes

CODE = Path(__file__).parents[1] / "growth_models" / "user_models.py"
QUICK = ["--candidate-epochs", "1", "--child-epochs", "1", "--at-once", "2", "--inputs", "2"]
runner = CliRunner()


def invoke(*arguments):
    done = runner.invoke(cli.app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["make_cnn", "make_mlp", "make_transformer"])
def test_from_a_checkpoint_to_a_pick(name, tmp_path):
    split = load("digits").split()
    torch.manual_seed(0)
    model = import_object(f"{CODE}:{name}", ConfigError)()
    fit(model, split, recipes["shortlist"], epochs=1)
    save_model(model, tmp_path / "w.safetensors")

    spec, out = f"{CODE}:{name}", tmp_path / "run"
    front = json.loads(
        invoke(
            *("grow", spec, "--weights", tmp_path / "w.safetensors", "--data", "digits"),
            *("--objective", "params", "--constraint", "params<=20000", "--budget", "1 children"),
            *("--out", out, "--quiet", "--json", *QUICK),
        )
    )["front"]
    # The first model is the user's, with the user's weights.
    assert front[0]["model"] == 0
    assert front[0]["val_accuracy"] == accuracy(model, split.val, split)
    assert front[0]["params"] == sum(p.numel() for p in model.parameters())
    assert (out / "report.html").exists()

    bound = f"params<={front[0]['params']:.0f}"
    picked = json.loads(invoke("pick", out, "--constraint", bound, "--format", "pt2", "--json"))
    assert picked["model"] == 0
    x = torch.randn(2, 1, 8, 8)
    exported = torch.export.load(Path(picked["folder"]) / "model.pt2").module()
    torch.testing.assert_close(exported(x), model.eval()(x))
    card = json.loads((Path(picked["folder"]) / "model.json").read_text())
    assert card["metadata"]["mean"] == pytest.approx(split.mean.tolist())

    table = invoke("pick", out, "--format", "pt2", "--out", tmp_path / "picked")
    assert "largest difference" in table
    assert {"recipe.json", "weights.safetensors"} <= {
        path.name for path in (tmp_path / "picked").iterdir()
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grow", "nowhere.py:make"], "no file"),
        (["grow", f"{CODE}:make_cnn", "--budget", "soon"], "budget 'soon'"),
        (["grow", f"{CODE}:make_cnn", "--operation", "sep9"], "Did you mean sep"),
        (["grow", f"{CODE}:make_cnn", "--method", "petrydish"], "Did you mean petridish"),
        (["grow", f"{CODE}:make_cnn", "--weights", "no.safetensors"], "cannot be read"),
        (["grow", f"{CODE}:make_cnn", "--leaf", "layer9"], "is no submodule"),
        (["pick", "nowhere"], "no growing run in nowhere"),
    ],
)
def test_bad_input_is_one_line_with_the_next_step(
    arguments, message, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["nascout", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
