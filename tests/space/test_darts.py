"""DARTS: its published counts, and its network written out by hand."""

import pytest
import torch
from torch.nn import functional as F

from nascout.errors import ArchitectureError
from nascout.graph import graph_cost
from nascout.network import build
from nascout.space import SPACES

IMAGENET = {
    "channels": 48,
    "cells": 14,
    "classes": 1000,
    "imagenet_stem": True,
    "input_shape": (3, 224, 224),
}
CIFAR = {}


def known(name, **sizes):
    space = SPACES["darts"](**sizes)
    return space.parse(space.known[name])


@pytest.mark.parametrize(
    ("name", "sizes", "params"),
    [("darts_v2", CIFAR, 3_349_342), ("darts_v2", IMAGENET, 4_718_752)],
)
def test_published_parameters(name, sizes, params):
    """As the released code prints them; 3.3M and 4.7M in the paper (tables 1 and 3)."""
    assert graph_cost(known(name, **sizes).graph()).params == params


def test_the_first_order_cells():
    """They learn what those of second order do but for one dilated convolution, in 18 cells.

    The paper's table says 3.3M for both.
    """
    dilated = sum(6 * (9 * c + c * c + 2 * c) for c in (36, 72, 144))
    assert graph_cost(known("darts_v1").graph()).params == 3_349_342 - dilated == 3_169_414


@pytest.mark.parametrize(
    ("sizes", "channels", "side", "out"), [(CIFAR, 576, 8, 10), (IMAGENET, 768, 7, 1000)]
)
def test_auxiliary_head(sizes, channels, side, out):
    """A map of ``side`` is pooled to 2x2; 1x1 to 128, 2x2 to 768, normalised; a classifier."""
    plain, both = (known("darts_v2", auxiliary=a, **sizes).graph() for a in (False, True))
    head = channels * 128 + 2 * 128 + 128 * 768 * 4 + 2 * 768 + 768 * out + out
    assert graph_cost(both).params - graph_cost(plain).params == head
    assert [both.shapes[i] for i in both.outputs] == [(out,), (out,)]
    (pool,) = (i for i, n in enumerate(both) if n.key == "auxiliary/pool/avgpool")
    assert both.input_shapes(pool) == ((channels, side, side),)
    assert both.shapes[pool] == (channels, 2, 2)


def test_size():
    """1, 3, 6, 10 pairs of states for the four nodes; seven operations on each."""
    assert SPACES["darts"]().size == (1 * 3 * 6 * 10 * 7**8) ** 2


def test_notation():
    space = SPACES["darts"]()
    arch = space.parse(space.known["darts_v2"])
    assert [arch.choices[f"normal{n}_inputs"] for n in range(2, 6)] == ["0,1", "0,1", "0,1", "0,2"]
    assert arch.choices["normal4_op1"] == "skip_connect"
    # The published text lists the two operations of this node the other way round.
    assert str(arch) != space.known["darts_v2"]
    assert space.parse(str(arch)) == arch
    text = space.known["darts_v2"].replace("[2, 3, 4, 5]", "range(2, 6)")
    assert space.parse(text) == arch
    data = {
        "normal": [["skip_connect", 1], ["skip_connect", 0]] * 4,
        "reduce": [["max_pool_3x3", 0], ["max_pool_3x3", 1]] * 4,
    }
    assert space.from_genotype(data).choices["reduce5_inputs"] == "0,1"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("('sep_conv_3x3', 0)", "('none', 0)", "'normal2_op1' of darts cannot be 'none'"),
        ("('sep_conv_3x3', 1)", "('sep_conv_3x3', 0)", "'normal2_inputs' of darts cannot be '0,0'"),
        ("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)", "'normal5_inputs' .* cannot be '0,5'"),
        ("[2, 3, 4, 5]", "[3, 4, 5]", r"8 pairs and concatenates \[2, 3, 4, 5\]"),
        ("('sep_conv_3x3', 0), ", "", "pairs of an operation and a state, two to a block"),
        ("('skip_connect', 0), ('dil_conv_3x3', 2)", "", "'normal5_inputs' .* cannot be None"),
        ("normal=", "usual=", "Give normal and reduce"),
        ("Genotype", "print", "Write it like Genotype"),
        ("normal=[", "normal=[print('!'), ", "Write it like Genotype"),
        ("[2, 3, 4, 5]", "range(0, 10**12)", "Write it like Genotype"),
    ],
)
def test_malformed_text(old, new, message):
    space = SPACES["darts"]()
    with pytest.raises(ArchitectureError, match=message):
        space.parse(space.known["darts_v2"].replace(old, new, 1))


class ByHand:
    """The released network's forward pass, on the weights of one of ours."""

    def __init__(self, net):
        self.weight = dict(net.named_parameters())

    def conv(self, x, key, stride=1, padding=0, dilation=1):
        weight = self.weight[f"{key}.weight"]
        groups = x.shape[1] // weight.shape[1]
        return F.conv2d(x, weight, None, stride, padding, dilation, groups)

    def norm(self, x, key):
        return F.batch_norm(
            x, None, None, self.weight[f"{key}.weight"], self.weight[f"{key}.bias"], training=True
        )

    def relu_conv_bn(self, x, key):
        return self.norm(self.conv(F.relu(x), f"{key}.conv2d"), f"{key}.batchnorm")

    def factorized_reduction(self, x, key):
        x = F.relu(x)
        halves = [self.conv(x, f"{key}.even", 2), self.conv(x[:, :, 1:, 1:], f"{key}.odd", 2)]
        return self.norm(torch.cat(halves, 1), f"{key}.batchnorm")

    def separable(self, x, key, stride):
        for part in ("", "2"):
            x = self.conv(F.relu(x), f"{key}.depthwiseconv2d{part}", stride, 1)
            x, stride = self.norm(self.conv(x, f"{key}.conv2d{part}"), f"{key}.batchnorm{part}"), 1
        return x

    def dilated(self, x, key, stride):
        x = self.conv(F.relu(x), f"{key}.depthwiseconv2d", stride, 2, dilation=2)
        return self.norm(self.conv(x, f"{key}.conv2d"), f"{key}.batchnorm")

    def edge(self, x, op, key, stride):
        if op == "max_pool_3x3":
            return F.max_pool2d(x, 3, stride, 1)
        if op == "skip_connect":
            return x if stride == 1 else self.factorized_reduction(x, key)
        return (self.separable if op == "sep_conv_3x3" else self.dilated)(x, key, stride)

    def cell(self, before, x, pairs, key, *, reduction, halved):
        fit = self.factorized_reduction if halved else self.relu_conv_bn
        states = [fit(before, f"{key}.input0"), self.relu_conv_bn(x, f"{key}.input1")]
        for target in range(2, 6):
            total = 0
            for op, source in pairs[2 * target - 4 : 2 * target - 2]:
                stride = 2 if reduction and source < 2 else 1
                total = total + self.edge(
                    states[source], op, f"{key}.{source}->{target}.{op}", stride
                )
            states.append(total)
        return states[2:]


def in_order(parts, reference):
    """The parts in the order in which ``reference`` concatenates them."""
    return torch.cat([parts[i - 2] for i in reference], 1)


NORMAL = [("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1)]
NORMAL += [("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2)]
REDUCE = [("max_pool_3x3", 0), ("skip_connect", 1), ("skip_connect", 2), ("max_pool_3x3", 1)]
REDUCE += [("sep_conv_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("dil_conv_3x3", 1)]


def test_the_network_by_hand():
    space = SPACES["darts"](channels=4, cells=3, classes=3, input_shape=(3, 12, 8))
    arch = space.from_genotype({"normal": NORMAL, "reduce": REDUCE})
    graph = arch.graph()
    net = build(arch, seed=1)
    x = torch.randn(4, 3, 12, 8, generator=torch.Generator().manual_seed(0))
    hand = ByHand(net)
    order = {
        node.key.split("/")[0]: [int(graph.nodes[i].key.split("/")[1]) for i in node.inputs]
        for node in graph
        if node.key.endswith("/concat") and node.key.count("/") == 1
    }
    s0 = s1 = hand.norm(hand.conv(x, "stem.conv2d", 1, 1), "stem.batchnorm")
    for index, halved in enumerate((False, False, True)):
        key, reduction = f"cell{index}", index > 0
        pairs = REDUCE if reduction else NORMAL
        parts = hand.cell(s0, s1, pairs, key, reduction=reduction, halved=halved)
        assert sorted(order[key]) == [2, 3, 4, 5]
        s0, s1 = s1, in_order(parts, order[key])
    wanted = F.linear(
        s1.mean((2, 3)), hand.weight["head.linear.weight"], hand.weight["head.linear.bias"]
    )
    torch.testing.assert_close(net(x), wanted)
