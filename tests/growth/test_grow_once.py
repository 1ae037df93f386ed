from functools import partial

import pytest
import torch
from torch import nn

from nascout.data import load
from nascout.errors import AllFailed
from nascout.growth import Method, cell_groups, groups, grow_once, trace
from nascout.network import build
from nascout.space import SPACES
from nascout.train import accuracy, fit, recipes


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, 2, padding=1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.conv2(self.norm(self.conv1(x)).relu_()).relu_()
        return self.head(x.mean((2, 3)))


@pytest.mark.slow
def test_a_child_of_a_user_s_network_learns_digits():
    split = load("digits").split()
    train = partial(fit, split=split, recipe=recipes["shortlist"], epochs=3)
    torch.manual_seed(0)
    model = Small()
    parent = trace(model, torch.zeros(2, 1, 8, 8))
    before = train(parent)
    at_first = accuracy(parent, split.val, split)
    at = [group for group in groups(parent) if group[0].place in ("conv2", "relu_:2")]
    grown = grow_once(parent, at, train, operations={"map": ("sep3", "max3", "identity")})
    assert {a.place for a in grown.additions} == {"conv2", "relu_:2"}
    assert grown.training.train_loss < before.train_loss
    assert accuracy(grown.child, split.val, split) > at_first
    assert accuracy(parent, split.val, split) == at_first  # it is as it was


@pytest.mark.slow
def test_an_architecture_of_ours_grows_by_cells():
    split = load("digits").split()
    train = partial(fit, split=split, recipe=recipes["shortlist"], epochs=1)
    space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
    cell = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|avg_pool_3x3~2|"
    net = build(space.parse(cell))
    parent = trace(net, torch.zeros(2, 1, 8, 8))
    train(parent)
    grown = grow_once(
        parent,
        cell_groups(parent),
        train,
        operations={"map": ("sep3", "identity")},
        method="archai",
    )
    assert [addition.place for addition in grown.additions] == [
        f"stage{stage}.cell0.3.sum" for stage in (1, 2, 3)
    ]
    assert grown.training.train_loss < grown.searching.train_loss


def test_nothing_worth_keeping():
    net = trace(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.zeros(2, 4))
    high = Method("high", "a test", threshold=2.0)
    with pytest.raises(AllFailed, match="threshold"):
        grow_once(net, groups(net)[:1], lambda net: None, method=high)
