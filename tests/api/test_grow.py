"""Growing end to end: what is recorded is what the networks on disk do."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import nascout
from nascout.data import as_data, load
from nascout.errors import AllFailed, ConfigError, IntegrityError, RunMismatch, UnsupportedNetwork
from nascout.network.cost import measured_cost
from nascout.train import accuracy

CODE = Path(__file__).parents[1] / "growth_models" / "user_models.py"
QUICK = {
    "parent_epochs": 1,
    "candidate_epochs": 1,
    "child_epochs": 1,
    "operations": ("sep3", "max3", "identity"),
    "at_once": 2,
    "inputs": 2,
    "progress": False,
}


@pytest.fixture(scope="module")
def digits():
    data = load("digits")
    part = data.train.take(torch.arange(260)), data.test.take(torch.arange(100))
    arrays = [t.numpy() for arrays in part for t in (arrays.x, arrays.y)]
    return as_data(tuple(np.asarray(a) for a in arrays), name="some digits")


@pytest.fixture(scope="module")
def grown(digits, tmp_path_factory):
    """A run of three children from code."""
    out = tmp_path_factory.mktemp("grown")
    return nascout.grow(f"{CODE}:make_cnn", digits, out=out, budget=3, **QUICK)


@pytest.mark.slow
def test_what_is_recorded_is_what_the_networks_do(grown, digits):
    split = digits.split()
    family = grown.gallery()
    assert len(family) == 4
    for member in family.members:
        net, values = member.build(), member.model.values
        assert accuracy(net, split.val, split) == values["val_accuracy"]
        if "test_accuracy" in values:
            assert accuracy(net, split.test, split) == values["test_accuracy"]
        counted = measured_cost(net, torch.zeros(1, 1, 8, 8)).as_dict()
        assert counted.items() <= values.items()
        assert values["latency_ms"] > 0
    tested = [m for m in family.members if "test_accuracy" in m.model.values]
    assert tuple(tested) == family.showpieces()


@pytest.mark.slow
def test_children_inherit(grown):
    for member in grown.gallery().members[1:]:
        parent = grown.genealogy(member.model.number)[-2].build()
        child = member.build()
        assert set(parent.state_dict()) < set(child.state_dict())
        assert len(child.meta["nascout"]["additions"]) > len(
            parent.meta["nascout"].get("additions", ())
        )


def written(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("models/*/*")}


@pytest.mark.slow
def test_the_same_call_again_does_nothing_and_a_larger_budget_goes_on(grown, digits):
    weights = written(grown.folder)
    again = nascout.grow(f"{CODE}:make_cnn", digits, out=grown.folder, budget=3, **QUICK)
    assert again.frame().equals(grown.frame())
    more = nascout.grow(f"{CODE}:make_cnn", digits, out=grown.folder, budget=4, **QUICK)
    assert len(more.gallery()) == 5
    assert (
        weights.items() <= {p: p.stat().st_mtime_ns for p in more.folder.glob("models/*/*")}.items()
    )
    with pytest.raises(RunMismatch, match="at_once = 2, now it is 1"):
        nascout.grow(
            f"{CODE}:make_cnn", digits, out=grown.folder, budget=4, **{**QUICK, "at_once": 1}
        )
    with pytest.raises(RunMismatch, match="A budget can only grow"):
        nascout.grow(f"{CODE}:make_cnn", digits, out=grown.folder, budget=2, **QUICK)


@pytest.mark.slow
def test_tomorrow_from_its_folder(grown, tmp_path):
    run = nascout.GrownRun(grown.folder)
    first = run.gallery()[0].model
    assert run.pick(f"macs<={first.values['macs']}").model.number == 0
    best = run.pick()
    written = run.export(best, tmp_path / "best", formats=["pt2"])
    assert written.max_difference["pt2"] < 1e-5
    x = torch.randn(3, 1, 8, 8)
    reloaded = torch.export.load(tmp_path / "best" / "model.pt2").module()(x)
    torch.testing.assert_close(reloaded, best.build()(x))


@pytest.mark.slow
def test_a_module_is_grown_from_its_weights_and_stays_as_it_is(digits, tmp_path):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.Tanh(), nn.Linear(12, 10))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    options = QUICK | {"parent_epochs": None, "operations": ("linear_tanh", "identity")}
    run = nascout.grow(model, digits, out=tmp_path, budget=1, **options)
    after = model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    x = torch.randn(5, 1, 8, 8)
    assert torch.equal(run.gallery()[0].build()(x), model(x))  # nothing trained it first
    with pytest.raises(ConfigError, match="does not know the code"):
        nascout.GrownRun(tmp_path).pick().build()
    nascout.GrownRun(tmp_path, model=model).pick().build()
    with torch.no_grad():
        model[1].weight += 1
    with pytest.raises(RunMismatch, match=r"model\.weights"):
        nascout.grow(model, digits, out=tmp_path, budget=1, **options)


@pytest.mark.slow
def test_an_architecture_grows_in_all_cells_alike(digits, tmp_path):
    space = nascout.space("nasbench201", channels=4, cells=1, input_shape=(1, 8, 8))
    arch = space.parse("|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|avg_pool_3x3~2|")
    run = nascout.grow(arch, digits, out=tmp_path, budget=1, **QUICK)
    assert run.config["cells"] is True
    places = [place for place, _ in run.gallery()[1].model.added]
    assert places == [f"stage{stage}.cell0.3.sum" for stage in (1, 2, 3)]
    operations = {tuple(name for _, name in kept) for _, kept in run.gallery()[1].model.added}
    assert len(operations) == 1
    assert nascout.GrownRun(tmp_path).pick().build()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.slow
def test_what_is_too_expensive_is_not_trained(digits, tmp_path):
    bound = measured_cost(_cnn(), torch.zeros(1, 1, 8, 8)).params + 1
    run = nascout.grow(
        f"{CODE}:make_cnn",
        digits,
        out=tmp_path,
        budget=2,
        constraints=[f"params<={bound}"],
        **QUICK,
    )
    children = [member.model for member in run.gallery().members[1:]]
    assert children
    assert all(m.state == "infeasible" and m.values["params"] > bound for m in children)
    assert all("val_accuracy" not in m.values for m in children)
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["0"]


def _cnn():
    from nascout.data.python_object import import_object

    return import_object(f"{CODE}:make_cnn", ConfigError)()


@pytest.mark.slow
def test_two_processes(digits, tmp_path):
    run = nascout.grow(f"{CODE}:make_cnn", digits, out=tmp_path, budget=2, workers=2, **QUICK)
    split = digits.split()
    assert len(run.gallery().trained) == 3
    for member in run.gallery().trained:
        assert accuracy(member.build(), split.val, split) == member.model.values["val_accuracy"]


DYING = """
import multiprocessing, os, signal
from pathlib import Path
from torch import nn

def make():
    times = Path(__file__).with_name("times")
    died = times.stat().st_size if times.exists() else 0
    if multiprocessing.parent_process() is not None and died < 2:
        times.write_text("." * (died + 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""


@pytest.mark.slow
def test_a_process_that_is_killed_is_replaced(digits, tmp_path):
    (tmp_path / "model.py").write_text(DYING)
    spec = f"{tmp_path / 'model.py'}:make"
    run = nascout.grow(spec, digits, out=tmp_path / "a", budget=1, workers=2, **QUICK)
    assert [job.attempts for job in run.gallery().jobs] == [3, 1, 1]
    assert len(run.gallery().trained) == 2


def test_a_model_that_no_other_process_can_have(digits, tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    model.secret = lambda: None
    with pytest.raises(ConfigError, match="cannot be sent to another process"):
        nascout.grow(model, digits, out=tmp_path, workers=2, progress=False)


class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(x.flatten(1)) / 0.0


class Branching(Broken):
    def forward(self, x):
        if x.sum() > 0:
            x = -x
        return self.head(x.flatten(1))


def test_a_model_that_gives_nothing_finite(digits, tmp_path):
    with pytest.raises(AllFailed, match="nonfinite"):
        nascout.grow(Broken(), digits, out=tmp_path, progress=False)


@pytest.mark.parametrize(
    ("model", "options", "error", "words"),
    [
        (Branching(), {}, UnsupportedNetwork, "cannot trace `if x.sum"),
        (3, {}, ConfigError, "cannot grow a int"),
        ("no_such.py:make", {}, ConfigError, "no file"),
        (nn.Linear(64, 10), {}, UnsupportedNetwork, "cannot run on inputs"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), {"places": "x*"}, ConfigError, "no place"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), {"weights": "no"}, ConfigError, "be read"),
        (nn.Identity(), {"constraints": "macs"}, ConfigError, "malformed"),
        (nn.Identity(), {"device": "tpu"}, ConfigError, "not available"),
        (nn.Identity(), {"budget": "soon"}, ConfigError, "budget"),
        (nn.Identity(), {"workers": 0}, ConfigError, "at least one"),
    ],
)
def test_what_cannot_be_grown(digits, tmp_path, model, options, error, words):
    with pytest.raises(error, match=words):
        nascout.grow(model, digits, out=tmp_path / "run", progress=False, **options)
    assert not (tmp_path / "run" / "growth.sqlite").exists()


@pytest.mark.slow
def test_damaged_weights_are_refused(grown, digits, tmp_path):
    run = nascout.GrownRun(grown.folder)
    path = grown.folder / "models" / "0" / "weights.safetensors"
    whole = path.read_bytes()
    place = random.Random(0).randrange(len(whole) // 2, len(whole))
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(IntegrityError, match="damaged"):
        run.gallery()[0].build()
    alone = tmp_path / "run"
    shutil.copytree(grown.folder, alone)
    for weights in alone.glob("models/*/weights.safetensors"):  # whoever is chosen
        weights.write_bytes(whole[:100])
    with pytest.raises(IntegrityError, match="damaged"):
        nascout.grow(f"{CODE}:make_cnn", digits, out=alone, budget=9, **QUICK)
    path.write_bytes(whole)
    run.gallery()[0].build()
