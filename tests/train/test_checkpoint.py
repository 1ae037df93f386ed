import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn
from torch.optim.swa_utils import AveragedModel

from nascout.train import Epoch
from nascout.train.checkpoint import Checkpoint, Holders, load_checkpoint, save_checkpoint

CURVE = (Epoch(1, 5, 0.1 + 0.2, None, 1e-3, 0.5), Epoch(2, 5, 0.25, 12.5, 1e-4, 0.5))
IDENTITY = {"seed": 1, "data": ["a", "b"]}


def made(seed, width=4, kind="SGD", average=True, **options):
    """A network with a buffer and tied weights, its optimiser after a step, and its average."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, width))
    net.append(nn.Linear(width, width))
    net[3].weight = net[2].weight
    optimizer = getattr(torch.optim, kind)(net.parameters(), lr=0.1, **options)
    averaged = AveragedModel(net) if average else None
    net(torch.randn(8, 3)).square().sum().backward()
    optimizer.step()
    if average:
        averaged.update_parameters(net)
    return Holders(net, optimizer, averaged)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "training.safetensors"


@pytest.mark.parametrize(
    ("kind", "options", "slots"),
    [
        ("SGD", {"momentum": 0.9}, {"momentum_buffer"}),
        ("RMSprop", {"momentum": 0.9}, {"square_avg", "momentum_buffer", "step"}),
        ("AdamW", {}, {"exp_avg", "exp_avg_sq", "step"}),
    ],
)
def test_all_state_comes_back(path, kind, options, slots):
    ours, theirs = (made(seed, kind=kind, **options) for seed in (0, 1))
    state = Checkpoint(CURVE, 3, 0.1, 2.5, {"scale": 2.0})
    save_checkpoint(path, IDENTITY, state, ours)
    assert load_checkpoint(path, IDENTITY, theirs) == state
    states = ours.states(), theirs.states()
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name
    for one, other in zip(ours.net.parameters(), theirs.net.parameters(), strict=True):
        buffers = ours.optimizer.state[one], theirs.optimizer.state[other]
        assert set(buffers[0]) == set(buffers[1]) == slots
        assert all(torch.equal(buffers[0][slot], buffers[1][slot]) for slot in slots)


def test_the_file_is_plain_safetensors_and_nothing_else_is_left(path):
    for _ in range(2):
        save_checkpoint(path, IDENTITY, Checkpoint(CURVE), made(0, momentum=0.9))
    assert list(path.parent.iterdir()) == [path]
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        assert json.loads(file.metadata()["content"])["identity"] == IDENTITY
    assert names >= {
        "model.0.weight",
        "model.1.running_mean",
        "optimizer.momentum_buffer.0.weight",
        "average.module.0.weight",
    }


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "bit", "text"])
def test_a_damaged_file_is_ignored_and_nothing_is_touched(path, damage):
    save_checkpoint(path, IDENTITY, Checkpoint(CURVE), made(0))
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "bit":
        content[-1] ^= 1  # in a tensor: the format itself would not notice
    if damage != "missing":
        path.write_bytes({"empty": b"", "cut": content[:-9], "text": b"{}"}.get(damage, content))
    assert_untouched(path, IDENTITY, made(1))


@pytest.mark.parametrize("what", ["identity", "width", "layers", "average"])
def test_a_foreign_file_is_ignored_and_nothing_is_touched(path, what):
    save_checkpoint(path, IDENTITY, Checkpoint(CURVE), made(0))
    holders = made(1, width=5 if what == "width" else 4, average=what != "average")
    if what == "layers":
        holders.net.append(nn.Linear(2, 2))
    assert_untouched(path, {"seed": 2} if what == "identity" else IDENTITY, holders)


def assert_untouched(path: Path, identity, holders):
    before = {name: tensor.clone() for name, tensor in holders.states().items()}
    assert load_checkpoint(path, identity, holders) is None
    assert all(torch.equal(tensor, before[name]) for name, tensor in holders.states().items())


def test_a_failed_write_leaves_the_old_file(path, monkeypatch):
    holders = made(0)
    save_checkpoint(path, IDENTITY, Checkpoint(CURVE), holders)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(path, IDENTITY, Checkpoint(CURVE[:1]), holders)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
