"""A growing run's folder afterwards: report, doctor, export, a late look at the test images."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import nascout
from nascout.api.grown_check import examined
from nascout.cli import app as cli
from nascout.data import as_data, load
from nascout.errors import ConfigError, DataError, IntegrityError
from nascout.records import Outcome
from nascout.run.growth.records import Made
from nascout.run.growth.store import FILE, GrowthStore
from nascout.train import accuracy

MODEL = """
from torch import nn

def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 10))
"""
QUICK = {
    "parent_epochs": 1,
    "candidate_epochs": 1,
    "child_epochs": 1,
    "operations": ("linear_tanh", "identity"),
    "at_once": 1,
    "inputs": 1,
    "progress": False,
}
runner = CliRunner()


def invoke(*arguments):
    done = runner.invoke(cli.app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Some digits as arrays in a file, so that they can be read again."""
    data = load("digits")
    parts = data.train.take(torch.arange(200)), data.test.take(torch.arange(60))
    train, test = ({"x": p.x.numpy(), "y": p.y.numpy()} for p in parts)
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    np.savez(path, x_train=train["x"], y_train=train["y"], x_test=test["x"], y_test=test["y"])
    return path


@pytest.fixture(scope="module")
def grown(file, tmp_path_factory):
    """The folder of a run of two children."""
    out = tmp_path_factory.mktemp("grown") / "run"
    (out.parent / "model.py").write_text(MODEL)
    nascout.grow(f"{out.parent / 'model.py'}:make", str(file), out=out, budget=2, **QUICK)
    return out


@pytest.fixture
def folder(grown, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(grown, tmp_path / "run"))


@pytest.mark.slow
def test_a_report_is_written_again(folder):
    wanted = {name: (folder / name).read_bytes() for name in ("report.html", "gallery.csv")}
    for name in wanted:
        (folder / name).unlink()
    front = json.loads(invoke("report", folder, "--json"))
    assert {name: (folder / name).read_bytes() for name in wanted} == wanted
    family = nascout.GrownRun(folder).gallery()
    assert [row["model"] for row in front] == [m.model.number for m in family.front()]
    macs = family[0].model.values["macs"]
    kept = json.loads(invoke("report", folder, "--constraint", f"macs<={macs}", "--json"))
    assert {row["macs"] for row in kept} <= {macs}
    assert "report" in invoke("report", folder, "--out", folder / "other.html")
    assert (folder / "other.html").read_bytes() == wanted["report.html"]


@pytest.mark.slow
def test_a_whole_run_has_nothing_to_mend(folder):
    findings = list(examined(nascout.GrownRun(folder)))
    assert not any(finding.remedy for finding in findings)
    told = invoke("doctor", folder)
    assert "store: 3 models, 5 steps, every one as it was written" in told
    assert all(f"model {n}: weights and recipe as they were written" in told for n in range(3))


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "weights": (lambda f: flip(f / "models/1/weights.safetensors"), "model 1: .* are damaged"),
    "no weights": (lambda f: shutil.rmtree(f / "models/2"), "model 2: .* are missing"),
    "recipe": (lambda f: (f / "models/1/recipe.json").write_text("{"), "json is damaged"),
    "no recipe": (lambda f: (f / "models/1/recipe.json").unlink(), "cannot be read"),
    "another": (
        lambda f: shutil.copy(f / "models/0/recipe.json", f / "models/1/recipe.json"),
        "is of another model",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named_with_what_to_do(folder, name):
    damage, message = DAMAGES[name]
    damage(folder)
    (found,) = [f for f in examined(nascout.GrownRun(folder)) if f.is_damage]
    assert pytest.raises(AssertionError, match=message).matches(AssertionError(found.text))
    assert "from a copy" in found.remedy
    done = runner.invoke(cli.app, ["doctor", str(folder)])
    assert isinstance(done.exception, IntegrityError)
    assert found.remedy in done.stdout


@pytest.mark.slow
def test_what_waits_and_what_is_missing(folder):
    store = GrowthStore(folder)
    selected = store.begin(store.plan("candidates", 0, 0))
    store.finish(selected, Made(Outcome.OK, {"macs": 9}, (("1", (("input", "identity"),)),)), 9.0)
    waiting = store.begin(store.plan("candidates", 0, 0))
    store.write_test(store.models()[0], None)
    store.close()
    told = {f.text.partition(":")[0]: f for f in examined(nascout.GrownRun(folder))}
    under_way = told[f"step {waiting.number} (candidates, model {waiting.model})"]
    assert "was under way, begun 1 times" in under_way.text
    assert "same command again" in under_way.remedy
    # A child that waits must be there to be trained.
    lost = [f for f in told.values() if f.is_damage]
    assert len(lost) == 1
    assert "lacks recipe.json, weights.safetensors" in lost[0].text
    assert "models 0 are on a front" in told["test images"].text


@pytest.mark.slow
def test_a_lost_row_is_noticed(folder):
    import sqlite3

    with sqlite3.connect(folder / FILE) as raw:
        raw.execute("delete from nascout_growth_models where number = 2")
    raw.close()
    first = next(examined(nascout.GrownRun(folder)))
    assert (first.text, first.is_damage) == ("store: it has no row of model 2", True)


@pytest.mark.slow
def test_a_pick_is_measured_on_the_test_images_when_it_is_picked(folder, file):
    run = nascout.GrownRun(folder)
    known = run.pick().model
    store = GrowthStore(folder)
    store.write_test(known, None)  # as for a model that is on no front of one cost
    store.close()
    run = nascout.GrownRun(folder)
    assert "test_accuracy" not in run.pick().model.values
    assert "not measured on the test images" in invoke("pick", folder, "--format", "pt2")
    assert json.loads(invoke("pick", folder, "--format", "pt2", "--json"))["test_accuracy"] is None
    with pytest.raises(DataError, match="other data"):
        run.tested(run.pick(), "digits")
    measured = run.tested(run.pick(), file).model.values["test_accuracy"]
    split = as_data(file).split()
    assert measured == accuracy(run.pick().build(), split.test, split)
    # It is kept, and not measured again, whatever the data.
    picked = ["pick", folder, "--format", "pt2", "--data", "digits", "--json"]
    assert json.loads(invoke(*picked))["test_accuracy"] == measured
    assert nascout.GrownRun(folder).pick().model.values["test_accuracy"] == measured


@pytest.mark.slow
def test_export_of_a_growing_run(folder, tmp_path):
    told = invoke("export", folder, "--out", tmp_path / "files", "--format", "pt2")
    best = nascout.GrownRun(folder).pick()
    assert f"model {best.model.number} of" in told
    x = torch.randn(3, 1, 8, 8)
    exported = torch.export.load(tmp_path / "files" / "model.pt2").module()
    torch.testing.assert_close(exported(x), best.build()(x))


@pytest.mark.slow
def test_a_run_in_a_database(grown, file, tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    spec = f"{grown.parent / 'model.py'}:make"
    out = tmp_path / "run"
    run = nascout.grow(spec, str(file), out=out, budget=1, store=url, **QUICK)
    assert not (out / FILE).exists()
    # The same seed, in a file: the same family.
    here = nascout.GrownRun(grown).frame().drop(columns=["latency_ms", "elapsed"])
    there = run.frame().drop(columns=["latency_ms", "elapsed"])
    wanted = ["model", "parent", "added", "params", "macs", "val_accuracy"]
    assert there[wanted].equals(here[wanted].head(2))
    assert "store: 2 models, 3 steps" in invoke("doctor", out, "--store", url)
    assert len(json.loads(invoke("report", out, "--store", url, "--json"))) >= 1
    picked = json.loads(invoke("pick", out, "--store", url, "--format", "pt2", "--json"))
    assert picked["model"] == run.pick().model.number
    more = nascout.grow(spec, str(file), out=out, budget=2, store=url, **QUICK)
    assert len(more.gallery()) == 3
    with pytest.raises(ConfigError, match="no growing run"):
        nascout.GrownRun(out)


@pytest.mark.slow
def test_a_model_that_was_grown_grows_on(folder, file, tmp_path):
    family = nascout.GrownRun(folder).gallery()
    model = family[1].build()
    run = nascout.grow(model, str(file), out=tmp_path / "more", budget=1, **QUICK)
    x = torch.randn(3, 1, 8, 8)
    assert isinstance(run.gallery()[1].build(), nn.Module)
    recipe = json.loads((tmp_path / "more/models/1/recipe.json").read_text())["additions"]
    before, after = (one[1].model.added for one in (family, run.gallery()))
    assert [one["place"] for one in recipe] == [place for place, _ in (*before, *after)]
    assert not any(f.is_damage for f in examined(run))
    assert run.gallery()[1].build()(x).shape == (3, 10)
