"""Everything that can be named as a target, and what each refusal says."""

import sys
import textwrap
from types import ModuleType

import pytest
import torch
from torch import nn

from nascout.api.targets import load_target
from nascout.errors import ArchitectureError, ConfigError
from nascout.network import build
from nascout.space import SPACES, Architecture

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
SPACE = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(
        textwrap.dedent(
            """
            import torch
            from torch import nn

            class Net(nn.Linear):
                def __init__(self, width=3, *rest, **more):
                    super().__init__(width, 2)

            def make():
                return nn.Linear(4, 2)

            def takes(width, depth, *, plain=True):
                return None

            def fails():
                raise RuntimeError("too wide\\nand too deep")

            def gives_text():
                return "a network"

            ready = nn.Linear(3, 2)
            number = 3
            """
        )
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    sys.modules.pop("net", None)


def test_an_architecture_in_the_notation_of_the_space():
    target = load_target(CELL, SPACE)
    assert isinstance(target.subject, Architecture) and target.name == CELL
    assert torch.equal(
        next(target.make(3).parameters()), next(build(SPACE.parse(CELL), 3).parameters())
    )


@pytest.mark.parametrize("text", ["net.py:Net", "net.py:make", "net:Net", "torch.nn:Identity"])
def test_code_is_called_anew_for_every_seed(folder, text):
    target = load_target(text, SPACE)
    before = torch.get_rng_state()
    first, again, other = (target.make(seed) for seed in (0, 0, 1))
    assert first is not again
    weights = [list(net.parameters()) for net in (first, again, other)]
    assert all(map(torch.equal, weights[0], weights[1]))
    assert text == "torch.nn:Identity" or not torch.equal(weights[0][0], weights[2][0])
    assert torch.equal(torch.get_rng_state(), before)
    assert (target.name, target.warnings) == (text, ())


def test_seeds_are_those_of_torch(folder):
    made = load_target("net.py:make", SPACE).make(5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        assert torch.equal(made.weight, nn.Linear(4, 2).weight)


def test_a_module_keeps_its_weights_and_says_so(folder):
    target = load_target("net.py:ready", SPACE)
    assert target.make(0) is target.make(1) is target.subject
    assert "the spread is not measured" in target.warnings[0]


@pytest.mark.slow
@pytest.mark.parametrize("mode", [True, False])
def test_a_program_keeps_its_weights_and_its_mode(folder, mode):
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).train(mode)
    torch.export.save(torch.export.export(net, (torch.zeros(4, 3),)), "net.pt2")
    target = load_target("net.pt2", SPACE)
    assert len(target.warnings) == (1 if mode else 2)
    assert "running statistics" in target.warnings[-1] or mode
    assert target.make().training


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("net.py:takes", r"net.py:takes needs arguments \(width, depth\)\. Name a function"),
        ("net.py:number", "net.py:number is a int"),
        ("net.py:absent", "module 'net.py' has no 'absent'"),
        ("absent.py:Net", "no file absent.py"),
        ("absent.pt2", "no file absent.pt2"),
        ("no_such_module:Net", "cannot import 'no_such_module'"),
    ],
)
def test_what_cannot_be_a_target(folder, text, message):
    with pytest.raises(ConfigError, match=message):
        load_target(text, SPACE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("net.py:fails", r"net.py:fails fails: RuntimeError: too wide \(line 16\)"),
        ("net.py:gives_text", "net.py:gives_text gives a str"),
    ],
)
def test_code_that_fails_when_called(folder, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_target(text, SPACE).make(0)
    assert "\n" not in str(caught.value)


def test_text_that_looks_like_nothing():
    with pytest.raises(ArchitectureError, match=r"malformed architecture.*FILE\.py:NAME"):
        load_target("not a cell", SPACE)


@pytest.fixture
def libraries(monkeypatch):
    """Stand-ins for timm, which has ``tiny`` and ``both``, and torchvision: ``small``, ``both``."""
    timm, torchvision = ModuleType("timm"), ModuleType("torchvision")
    torchvision.models = ModuleType("torchvision.models")

    def create_model(name, pretrained):
        assert name in ("tiny", "both") and pretrained is False
        return nn.Linear(2, 1)

    def get_model(name, weights):
        assert name in ("small", "both") and weights is None
        return nn.Linear(3, 1)

    timm.is_model, timm.create_model = ("tiny", "both").__contains__, create_model
    torchvision.models.list_models = lambda: ["small", "both"]
    torchvision.models.get_model = get_model
    for module in (timm, torchvision, torchvision.models):
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize(
    ("text", "width"),
    [
        *(("tiny", 2), ("small", 3), ("both", 2)),
        *(("timm:tiny", 2), ("timm:both", 2), ("torchvision:both", 3)),
    ],
)
def test_models_of_libraries(libraries, text, width):
    target = load_target(text, SPACE)
    assert target.make(0).in_features == width
    assert not torch.equal(target.make(0).weight, target.make(1).weight)


def test_a_model_that_no_library_has(libraries):
    with pytest.raises(ConfigError, match="timm has no model 'small'"):
        load_target("timm:small", SPACE)
    message = "'huge' is no architecture of nasbench201.*timm has no.*torchvision has no"
    with pytest.raises(ConfigError, match=message):
        load_target("huge", SPACE)


def test_libraries_that_are_missing_or_broken(monkeypatch, tmp_path):
    for name in ("timm", "torchvision", "torchvision.models"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("raise RuntimeError('operator nms')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError, match=r"torchvision cannot be imported \(.*operator nms\)"):
        load_target("torchvision:resnet18", SPACE)
    with pytest.raises(ConfigError, match=r"timm is not installed. pip install timm"):
        load_target("timm:resnet18", SPACE)
    with pytest.raises(ConfigError, match=r"timm is not installed.*torchvision cannot be"):
        load_target("resnet18", SPACE)
