"""Unit graphs counted by hand: with weights of one, all that is joined is joined."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.network import build
from nascout.score.nasgraph import unit_graph
from nascout.space import SPACES
from nascout.space.nasbench201 import NasBench201


def edges(net, *shape):
    """Edges of the unit graph when every weight is one."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1)
    return unit_graph(net, torch.zeros(1, *shape), weights="own").edges


class Residual(nn.Module):
    """As in ResNet: conv, norm, ReLU, conv, norm, plus the input or its projection, ReLU."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.a, self.b = nn.Conv2d(c_in, c_out, 3, stride, 1), nn.Conv2d(c_out, c_out, 3, 1, 1)
        self.norm_a, self.norm_b = nn.BatchNorm2d(c_out), nn.BatchNorm2d(c_out)
        self.projection = nn.Conv2d(c_in, c_out, 1, stride) if c_in != c_out else nn.Identity()

    def forward(self, x):
        y = self.norm_b(self.b(F.relu(self.norm_a(self.a(x)), inplace=True)))
        y += self.projection(x)
        return F.relu(y)


def test_a_residual_network():
    net = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(Residual(4, 4, 1), Residual(4, 6, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10)),
    )
    pool = 4  # read by a convolution and by a sum: a layer
    first = 4 * 4 + 4 * 4
    # The sum holds the pool's units and those of b; so does what reads it.
    second = 2 * 4 * 6 + 6 * 6 + 2 * 4 * 6
    output = 6 + 6  # b and the projection, the classifier left out, the mean part of the output
    assert edges(net, 3, 16, 16) == 3 * 4 + pool + first + second + output


class InvertedResidual(nn.Module):
    """As in MobileNetV3: 1x1, depthwise 3x3, squeeze and excitation, linear 1x1, plus input."""

    def __init__(self, c, wide):
        super().__init__()
        self.expand, self.project = nn.Conv2d(c, wide, 1), nn.Conv2d(wide, c, 1)
        self.depthwise = nn.Conv2d(wide, wide, 3, 1, 1, groups=wide)
        self.squeeze, self.excite = nn.Conv2d(wide, 2, 1), nn.Conv2d(2, wide, 1)

    def forward(self, x):
        y = F.hardswish(self.depthwise(F.relu6(self.expand(x))))
        gate = self.excite(self.squeeze(y.mean((2, 3), keepdim=True)).relu())
        return x + self.project(y * torch.sigmoid(gate))


def test_an_inverted_residual_with_squeeze_and_excitation():
    c, wide = 3, 7
    squeeze, excite = wide * 2, 2 * wide  # the mean is part of the squeezing layer
    product = 2 * wide * c  # depthwise and excite
    output = c + c
    expected = c * wide + wide + squeeze + excite + product + output
    assert edges(InvertedResidual(c, wide), c, 8, 8) == expected


class Shuffled(nn.Module):
    """As in ShuffleNetV2: half the channels pass, half are convolved, then all are shuffled."""

    def __init__(self, grouped):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)
        self.grouped = nn.Conv2d(4, 2, 1, groups=2)
        self.shuffle = grouped

    def forward(self, x):
        a, b = x.chunk(2, dim=1)
        y = torch.cat((a, self.conv(b)), 1)
        if self.shuffle:
            n, c, h, w = y.shape
            y = y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.grouped(y)


@pytest.mark.parametrize("shuffled", [False, True])
def test_split_concatenation_and_shuffle_move_channels(shuffled):
    net = Shuffled(shuffled)
    x = torch.zeros(1, 4, 5, 5)
    assert edges(net, 4, 5, 5) == 2 * 2 + 4 * 1 + 2
    graph = unit_graph(net, x, weights="own")
    # Units 0..3 are the input, 4 and 5 conv, 6 and 7 the two groups of `grouped`.
    heard = {int(s): int(t) for s, t in zip(graph.source, graph.target, strict=True) if t in (6, 7)}
    first, second = ((0, 4), (1, 5)) if shuffled else ((0, 1), (4, 5))
    assert heard == dict.fromkeys(first, 6) | dict.fromkeys(second, 7)


def test_a_shortcut_padded_with_zero_channels():
    """As in ResNets for CIFAR: x[:, :, ::2, ::2] between zeros."""

    class Padded(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 4, 3, 2, 1), nn.Conv2d(4, 3, 1)

        def forward(self, x):
            return self.b(self.a(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1)))

    # b reads four units of a and two of the input, in its channels 1 and 2.
    assert edges(Padded(), 2, 8, 8) == 2 * 4 + (4 + 2) * 3 + 3


def test_features_of_a_flattened_map_belong_to_their_channels():
    class Flat(nn.Module):
        def __init__(self, order):
            super().__init__()
            self.order = order
            self.hidden, self.out = nn.Linear(12, 1, bias=False), nn.Linear(1, 2)
            weight = torch.zeros(3, 2, 2)
            weight[0], weight[1], weight[2] = 1, -1, 0.1  # per channel
            weight[2, 0, 0] = -1
            self.weight = weight

        def forward(self, x):
            return self.out(F.linear(x.permute(self.order).flatten(1), self.hidden.weight))

    for order in ((0, 1, 2, 3), (0, 2, 3, 1)):
        net = Flat(order)
        weight = net.weight.permute([axis - 1 for axis in order[1:]]).reshape(1, 12)
        net.hidden.weight.data = weight
        graph = unit_graph(net, torch.zeros(1, 3, 2, 2), weights="own")
        # Only channel 0 has a positive sum; the classifier is left out.
        assert [graph.source.tolist(), graph.target.tolist()] == [[0, 3], [3, 4]]


def test_none_cuts_and_an_unread_unit_is_no_node():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 3, 1), nn.Conv2d(3, 5, 1)

        def forward(self, x):
            return self.b(self.a(x).mul(0.0))

    net = Cut()
    # a is read by "none" alone; three units of "none" feed b.
    assert edges(net, 2, 4, 4) == 2 * 3 + 3 * 5 + 5
    for parameter in net.a.parameters():
        nn.init.constant_(parameter, -1)
    # Now nothing leads to a: the input and a are no nodes.
    assert unit_graph(net, torch.zeros(1, 2, 4, 4), weights="own").nodes == 3 + 5 + 5


def test_a_tensor_added_to_itself_gives_each_edge_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 3, 1), nn.Conv2d(3, 2, 1)

        def forward(self, x):
            y = self.a(x)
            return self.b(y + F.max_pool2d(y, 1) + y)

    # The pooling is read by a sum: a layer of its own.
    assert edges(Twice(), 2, 4, 4) == 2 * 3 + 3 + (3 + 3) * 2 + 2


@pytest.mark.parametrize(("weight", "heard"), [([-1, 1, 1, -1], [0, 1]), ([-1, -1, -1, 1], [1])])
def test_a_unit_in_two_channels_is_heard_if_either_is(weight, heard):
    class Doubled(nn.Module):
        def forward(self, x):
            return F.conv2d(torch.cat((x, x), 1), torch.tensor(weight).float().view(1, 4, 1, 1))

    graph = unit_graph(Doubled(), torch.zeros(1, 2, 4, 4), weights="own")
    assert graph.source[graph.target == 2].tolist() == heard


def test_a_module_called_twice_is_two_layers_of_equal_weights():
    conv = nn.Conv2d(2, 2, 1)
    net = nn.Sequential(conv, nn.ReLU(), conv)
    graph = unit_graph(net, torch.zeros(1, 2, 4, 4))
    pairs = set(zip(graph.source.tolist(), graph.target.tolist(), strict=True))
    first = {(s, t - 2) for s, t in pairs if t in (2, 3)}
    second = {(s - 2, t - 4) for s, t in pairs if t in (4, 5)}
    assert first == second


def test_several_inputs_and_outputs():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(3, 2), nn.Linear(4, 2), nn.Linear(2, 9)

        def forward(self, left, right):
            y = torch.relu(self.a(left) + self.b(right))
            return {"logits": self.c(y), "hidden": y}

    net = Both()
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    inputs = {"left": torch.zeros(1, 3), "right": torch.zeros(1, 4)}
    # Both outputs keep what a and b give.
    assert unit_graph(net, inputs, weights="own").edges == 3 * 2 + 4 * 2 + 2 * (2 + 2)


# --- two ways to the same ----------------------------------------------------------------------


class Wrapped(nn.Module):
    """Not built from a graph, so followed through its forward pass."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)


@pytest.fixture(params=["nor_conv_3x3", "nor_conv_1x1", "none"])
def net(request):
    """Of one cell per stage; its last operation varies."""
    cell = f"|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|{request.param}~2|"
    return build(NasBench201(channels=4, cells=1, input_shape=(3, 8, 8)).parse(cell))


def test_following_a_network_and_reading_its_graph_agree(net):
    read = unit_graph(net, weights="own")
    followed = unit_graph(Wrapped(net), torch.zeros(1, 3, 8, 8), weights="own")
    assert (read.source.tolist(), read.target.tolist()) == (
        followed.source.tolist(),
        followed.target.tolist(),
    )


def test_degrees_are_those_of_the_list_of_edges():
    space = SPACES["freeform"](channels=4, input_shape=(3, 8, 8))
    rng = random.Random(0)
    for graph in (unit_graph(build(space.sample(rng))) for _ in range(5)):
        pairs = list(zip(graph.source, graph.target, strict=True))
        counts = np.bincount(np.ravel(pairs))
        assert graph.degrees.tolist() == counts[counts > 0].tolist()
        assert graph.edges == len(pairs) == len(set(pairs))


def test_zeros_around_a_map_are_padding():
    weight = torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    around = nn.Sequential(nn.ZeroPad2d((0, 1, 2, 1)), nn.Conv2d(3, 8, 3, 2, bias=False))
    around[1].weight.data = weight
    linked = 0
    for image in torch.eye(3)[:, None, :, None, None].expand(3, 1, 3, 7, 8):
        y = F.conv2d(F.pad(image, (0, 1, 2, 1)), weight, None, 2)
        linked += int((y.relu().sum((0, 2, 3)) > 0).sum())
    # Each of the 8 outputs is kept; other borders would give another number.
    assert unit_graph(around, torch.zeros(1, 3, 7, 8), weights="own").edges == linked + 8
    plain = unit_graph(around[1], torch.zeros(1, 3, 7, 8), weights="own").edges
    assert plain != linked + 8
