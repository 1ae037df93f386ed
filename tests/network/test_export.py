"""Every format of an export gives the network's outputs back; failures leave nothing behind."""

import hashlib
import importlib.util
import json
import random
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from nascout.errors import ExportError, MissingExtra
from nascout.graph import Builder, graph_cost
from nascout.graph.ops import Add, Conv2d, GlobalAvgPool, ReLU
from nascout.network import build, export_formats
from nascout.network.export import export
from nascout.space import SPACES

SPACE = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
CELL = SPACE.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|")


def images(n, *shape):
    return torch.randn(n, *(shape or (1, 8, 8)), generator=torch.Generator().manual_seed(5))


def by_onnx(path, *inputs):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    feed = {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
    return [torch.from_numpy(y) for y in session.run(None, feed)]


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        return self.linear(x)


class Broken(Small):
    """Another function each time it is called."""

    calls = 0

    def forward(self, x):
        Broken.calls += 1
        return self.linear(x) + Broken.calls


def test_source_files_and_card(tmp_path):
    net = build(CELL, seed=3).eval()
    facts = {"architecture": CELL, "mean": [0.5], "classes": ["a", "b"]}
    exported = export(net, tmp_path / "new" / "dir", formats="source", metadata=facts)
    assert exported.max_difference["source"] < 1e-6
    assert exported.skipped == {}
    folder = tmp_path / "new" / "dir"
    names = ["model.json", "model.py", "model.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == names == sorted(exported.files)

    card = json.loads((folder / "model.json").read_text())
    assert card["metadata"]["mean"] == [0.5]
    assert card["metadata"]["architecture"]["notation"] == str(CELL)
    assert card["params"] == sum(p.numel() for p in net.parameters())
    assert card["macs"] == graph_cost(net.graph).macs
    assert card["inputs"] == [{"name": "input", "shape": [1, 8, 8], "dtype": "float32"}]
    assert card["outputs"] == [{"name": "output", "shape": [10], "dtype": "float32"}]
    for name in ("model.py", "model.safetensors"):
        content = (folder / name).read_bytes()
        assert card["files"][name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert card["files"][name]["bytes"] == len(content)
    state = load_file(folder / "model.safetensors")
    assert torch.equal(state["stem.0.weight"], net.state_dict()["stem.conv2d.weight"])


def test_the_network_is_left_as_found(tmp_path):
    net = build(CELL)
    net.head.eval()
    modes = [module.training for module in net.modules()]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    random.seed(0), np.random.seed(0)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    export(net, tmp_path, formats=["source"])
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


def test_float64_is_kept(tmp_path):
    exported = export(build(CELL, dtype=torch.float64), tmp_path, formats=["source"])
    assert exported.max_difference["source"] < 1e-14
    assert load_file(tmp_path / "model.safetensors")["head.4.weight"].dtype == torch.float64
    assert "Model().to(torch.float64)" in (tmp_path / "model.py").read_text()


@pytest.mark.slow
def test_all_formats_of_a_network(tmp_path):
    net = build(CELL)
    random.seed(0), np.random.seed(0)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    exported = export(net, tmp_path)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]
    assert exported.skipped == {}
    assert exported.max_difference.keys() == {"source", "pt2", "onnx"}
    assert max(exported.max_difference.values()) < 1e-5
    loaded = torch.export.load(tmp_path / "model.pt2").module()
    for n in (1, 2, 7):
        with torch.no_grad():
            expected = net.eval()(images(n))
            torch.testing.assert_close(loaded(images(n)), expected, rtol=0, atol=1e-5)
        (given,) = by_onnx(exported.files["model.onnx"], images(n))
        torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_all_formats_of_several_inputs_and_outputs(tmp_path):
    g = Builder()
    x, y = g.input((2, 5, 5), key="left"), g.input((3, 5, 5), key="right")
    z = g.node(Add(), g.node(Conv2d(3, 3), x, key="conv"), y, key="sum")
    net = build(g.graph(g.chain((ReLU(), GlobalAvgPool()), z, key="head"), z)).eval()
    exported = export(net, tmp_path)
    assert exported.max_difference.keys() == {"source", "pt2", "onnx"}
    card = json.loads((tmp_path / "model.json").read_text())
    assert [entry["name"] for entry in card["inputs"]] == ["left", "right"]
    inputs = images(3, 2, 5, 5), images(3, 3, 5, 5)
    for given, expected in zip(
        by_onnx(tmp_path / "model.onnx", *inputs), net(*inputs), strict=True
    ):
        torch.testing.assert_close(given, expected.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_any_module(tmp_path):
    net = nn.Sequential(nn.Embedding(7, 3), nn.Flatten(), nn.Linear(6, 2))
    exported = export(net, tmp_path, example_inputs=torch.tensor([[1, 6], [0, 3]]))
    assert exported.max_difference.keys() == {"pt2", "onnx"}
    assert "no graph" in exported.skipped["source"]
    assert json.loads((tmp_path / "model.json").read_text())["macs"] is None
    x = torch.tensor([[5, 4]] * 5)
    torch.testing.assert_close(by_onnx(tmp_path / "model.onnx", x)[0], net(x).detach())


@pytest.mark.slow
def test_nothing_reaches_the_terminal(tmp_path):
    script = f"""
from nascout.network import build
from nascout.network.export import export
from nascout.space import SPACES
space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
assert len(export(build(space.parse({str(CELL)!r})), {str(tmp_path)!r}).files) == 5
"""
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_unknown_format(tmp_path):
    with pytest.raises(ExportError, match=r"'tflite'.*source, pt2, onnx"):
        export(build(CELL), tmp_path / "out", formats=["source", "tflite"])
    assert not (tmp_path / "out").exists()


def test_a_module_needs_inputs_and_has_no_source(tmp_path):
    with pytest.raises(ExportError, match="no graph"):
        export(Small(), tmp_path, formats=["source"], example_inputs=torch.zeros(1, 3))
    with pytest.raises(ExportError, match="example_inputs"):
        export(Small(), tmp_path, formats=["pt2"])
    with pytest.raises(ExportError, match="at least one sample"):
        export(Small(), tmp_path, formats=["pt2"], example_inputs=[torch.zeros(0, 3)])


def test_onnx_without_its_packages(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        export_formats, "find_spec", lambda name: None if name == "onnxscript" else found(name)
    )
    net = build(CELL)
    with pytest.raises(MissingExtra, match=r"nascout\[onnx\]"):
        export(net, tmp_path, formats=["source", "onnx"])
    monkeypatch.setattr(
        "nascout.network.export.FORMATS", {"source": export_formats.write_source, "onnx": None}
    )
    exported = export(net, tmp_path)
    assert "pip install" in exported.skipped["onnx"]
    assert exported.max_difference.keys() == {"source"}


@pytest.mark.parametrize("error", [1e-3, float("nan")])
def test_a_file_that_differs_is_not_left_behind(tmp_path, monkeypatch, error):
    (tmp_path / "model.py").write_text("# an earlier one")

    def wrong(subject, folder):
        run = export_formats.write_source(subject, folder)
        return lambda inputs: [y + error * y.abs().max() for y in run(inputs)]

    monkeypatch.setattr("nascout.network.export.FORMATS", {"source": wrong})
    with pytest.raises(ExportError, match="source differ"):
        export(build(CELL), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.py"]
    assert (tmp_path / "model.py").read_text() == "# an earlier one"


def test_an_exporter_that_fails_is_one_line(tmp_path, monkeypatch):
    def fails(subject, folder):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("nascout.network.export.FORMATS", {"source": fails})
    with pytest.raises(ExportError) as caught:
        export(build(CELL), tmp_path)
    assert str(caught.value).startswith("writing source failed: RuntimeError: first line. ")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_passed_on(tmp_path, monkeypatch):
    def full(subject, folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nascout.network.export.FORMATS", {"source": full})
    with pytest.raises(OSError, match="No space left"):
        export(build(CELL), tmp_path)


def test_a_network_that_gives_nan(tmp_path):
    net = build(CELL)
    with torch.no_grad():
        net.head.linear.bias.fill_(float("nan"))
    with pytest.raises(ExportError, match="NaN"):
        export(net, tmp_path, formats=["source"])


def test_metadata_must_be_json(tmp_path):
    with pytest.raises(ExportError, match="not JSON"):
        export(build(CELL), tmp_path, formats=["source"], metadata={"mean": torch.zeros(1)})


@pytest.mark.slow
def test_a_module_that_changes_is_caught(tmp_path):
    with pytest.raises(ExportError, match="pt2 differ"):
        export(Broken(), tmp_path, formats=["pt2"], example_inputs=torch.zeros(1, 3))
