import pytest
import torch
from torch import nn

from nascout.data import as_data
from nascout.errors import UnsupportedNetwork
from nascout.train import Diverged, accuracy


@pytest.fixture
def split():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(50, 2, 3, 3, generator=generator)
    return as_data((x, torch.arange(50) % 4)).split()


class Constant(nn.Module):
    """The same outputs for every image."""

    def __init__(self, *row):
        super().__init__()
        self.row = torch.tensor(row)

    def forward(self, x):
        return self.row.expand(len(x), -1)


def test_percent_of_right_answers(split):
    share = (split.train.y == 2).double().mean().item()
    for batch_size in (1, 7, 512):
        measured = accuracy(Constant(0.0, 1.0, 2.0, 0.0), split.train, split, batch_size=batch_size)
        assert measured == pytest.approx(100 * share)


def test_agrees_with_a_loop_over_images(split):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten()).eval()
    right = 0
    for image, label in zip(split.val.x, split.val.y, strict=True):
        pixels = (image - split.mean[:, None, None]) / split.std[:, None, None]
        right += int(net(pixels[None]).argmax()) == int(label)
    assert accuracy(net, split.val, split) == pytest.approx(100 * right / len(split.val))


def test_the_network_is_left_as_found(split):
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten())
    net[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    accuracy(net, split.val, split)
    assert [m.training for m in net] == [True, False, True, True]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_what_is_not_an_answer_raises(split):
    with pytest.raises(Diverged, match="NaN or infinite"):
        accuracy(Constant(0.0, float("nan"), 0.0, 0.0), split.val, split)
    with pytest.raises(UnsupportedNetwork, match=r"gives \(8, 2\) .*\(n, 4\)"):
        accuracy(Constant(0.0, 1.0), split.val, split)
    with pytest.raises(UnsupportedNetwork, match="gives list"):
        accuracy(Several(list), split.val, split)


def test_the_first_output_counts(split):
    main, other = Constant(0.0, 1.0, 0.0, 0.0), Constant(9.0, 0.0, 0.0, 0.0)
    ones = split.val.take((split.val.y == 1).nonzero()[:, 0])
    assert accuracy(Several(tuple, main, other), ones, split) == 100
    assert accuracy(Several(tuple, other, main), ones, split) == 0


class Several(nn.Module):
    def __init__(self, kind, *nets):
        super().__init__()
        self.kind, self.nets = kind, nets

    def forward(self, x):
        return self.kind(net(x) for net in self.nets)
