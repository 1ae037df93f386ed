"""Mixed precision: what is rounded, what is not, and who may have it."""

from pathlib import Path

import pytest
import torch
from torch import nn

from nascout.data import Arrays, Split
from nascout.errors import ConfigError
from nascout.train import Augmentation, Constant, Recipe, Sgd, fit
from nascout.train.precision import half_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
RECIPE = Recipe(
    "one step",
    "a test",
    1,
    16,
    0.5,
    Sgd(momentum=0.0, nesterov=False, weight_decay=0.0),
    Constant(),
    augmentation=Augmentation(crop_fraction=0.0, flip=False),
)


def split():
    generator = torch.Generator().manual_seed(0)
    part = Arrays(torch.randn(16, 1, 4, 4, generator=generator), torch.arange(16) % 2)
    return Split(part, part, None, 2, torch.zeros(1), torch.ones(1), flip=False)


class Seen(nn.Module):
    """A linear classifier that remembers the types of its outputs."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.linear, self.types = nn.Linear(16, 2, bias=False), []
        with torch.no_grad():
            self.linear.weight.copy_(torch.randn(2, 16, generator=generator))

    def forward(self, x):
        out = self.linear(x.flatten(1))
        self.types.append(out.dtype)
        return out


def trained(device="cpu", **options):
    net = Seen()
    before = net.linear.weight.detach().clone()
    fit(net, split(), RECIPE, device=device, **options)
    return net, net.linear.weight.detach().cpu() - before


def step_by_hand(dtype):
    """-lr · (p - y)ᵀ x / n, with logits, slope and gradient rounded where a layer would."""
    x, y = split().train.x.flatten(1), nn.functional.one_hot(torch.arange(16) % 2, 2)
    weight = Seen().linear.weight.detach()
    logits = (x.to(dtype) @ weight.to(dtype).T).float()
    slope = ((logits.softmax(1) - y) / 16).to(dtype)
    return -0.5 * (slope.T @ x.to(dtype)).float()


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_one_step_on_the_cpu(name):
    dtype = getattr(torch, name)
    net, moved = trained(precision=name)
    assert net.types == [dtype, torch.float32]  # the measurement at the end is in float32
    assert net.linear.weight.dtype == torch.float32
    # One unit in the last place: sums of products may be rounded in another order.
    torch.testing.assert_close(
        moved, step_by_hand(dtype), rtol=2 * torch.finfo(dtype).eps, atol=1e-4
    )


def test_bfloat16_is_another_step_than_float32():
    assert (trained(precision="bfloat16")[1] - trained()[1]).abs().max() > 1e-4


def test_auto_is_float32_where_there_is_no_gpu():
    assert torch.equal(trained()[1], trained(precision="float32")[1])
    assert half_precision("auto", CPU) is None


@pytest.mark.parametrize(("has", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_auto_takes_what_a_gpu_has(monkeypatch, has, dtype):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has)
    assert half_precision("auto", CUDA) == dtype


def test_what_there_is_not():
    with pytest.raises(ConfigError, match="precision = 'float8'"):
        half_precision("float8", CPU)
    with pytest.raises(ConfigError, match="'float16' on cpu"):
        trained(precision="float16")


def test_a_checkpoint_of_another_precision_is_foreign(tmp_path):
    path: Path = tmp_path / "net.safetensors"
    trained(precision="bfloat16", checkpoint=path)
    epochs = []
    trained(precision="float32", checkpoint=path, on_epoch=epochs.append)
    assert len(epochs) == 1  # trained from the start
    trained(precision="float32", checkpoint=path, on_epoch=epochs.append)
    assert len(epochs) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_one_step_on_a_gpu(name):
    dtype = getattr(torch, name)
    net, moved = trained("cuda", precision=name)
    assert net.types == [dtype, torch.float32]
    torch.testing.assert_close(moved, step_by_hand(dtype), rtol=2e-2, atol=1e-3)
