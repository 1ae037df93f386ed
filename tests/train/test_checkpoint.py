import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from nascout.train import Epoch
from nascout.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

CURVE = (Epoch(1, 5, 0.1 + 0.2, None, 1e-3, 0.5), Epoch(2, 5, 0.25, 12.5, 1e-4, 0.5))
IDENTITY = {"seed": 1, "data": ["a", "b"]}


def made(seed, width=4):
    """A network with a buffer and tied weights, and an optimiser that has made a step."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, width))
    net.append(nn.Linear(width, width))
    net[3].weight = net[2].weight
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.randn(8, 3)).square().sum().backward()
    optimizer.step()
    return net, optimizer


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "training.safetensors"


def test_all_state_comes_back(path):
    net, optimizer = made(0)
    save_checkpoint(path, IDENTITY, Checkpoint(CURVE, {"scale": 2.0}), net, optimizer)
    other, its_optimizer = made(1)
    found = load_checkpoint(path, IDENTITY, other, its_optimizer)
    assert found == Checkpoint(CURVE, {"scale": 2.0})
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
        buffers = optimizer.state[ours], its_optimizer.state[theirs]
        assert torch.equal(buffers[0]["momentum_buffer"], buffers[1]["momentum_buffer"])


def test_the_file_is_plain_safetensors_and_nothing_else_is_left(path):
    net, optimizer = made(0)
    for _ in range(2):
        save_checkpoint(path, IDENTITY, Checkpoint(CURVE, {}), net, optimizer)
    assert list(path.parent.iterdir()) == [path]
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        assert json.loads(file.metadata()["training"])["identity"] == IDENTITY
    assert names >= {"model.0.weight", "model.1.running_mean", "momentum.0.weight"}


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "bit", "text"])
def test_a_damaged_file_is_ignored_and_nothing_is_touched(path, damage):
    net, optimizer = made(0)
    save_checkpoint(path, IDENTITY, Checkpoint(CURVE, {}), net, optimizer)
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "bit":
        content[-1] ^= 1  # in a tensor: the format itself would not notice
    if damage != "missing":
        path.write_bytes({"empty": b"", "cut": content[:-9], "text": b"{}"}.get(damage, content))
    assert_untouched(path, IDENTITY, *made(1))


@pytest.mark.parametrize("what", ["identity", "width", "layers"])
def test_a_foreign_file_is_ignored_and_nothing_is_touched(path, what):
    save_checkpoint(path, IDENTITY, Checkpoint(CURVE, {}), *made(0))
    net, optimizer = made(1, width=5 if what == "width" else 4)
    if what == "layers":
        net.append(nn.Linear(2, 2))
    assert_untouched(path, {"seed": 2} if what == "identity" else IDENTITY, net, optimizer)


def assert_untouched(path: Path, identity, net, optimizer):
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert load_checkpoint(path, identity, net, optimizer) is None
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_a_failed_write_leaves_the_old_file(path, monkeypatch):
    net, optimizer = made(0)
    save_checkpoint(path, IDENTITY, Checkpoint(CURVE, {}), net, optimizer)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(path, IDENTITY, Checkpoint(CURVE[:1], {}), net, optimizer)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
