"""Layer sequences with anchors: the three rules, and a network written by hand."""

import random

import pytest
import torch
from torch.nn import functional as F

from nascout.errors import ArchitectureError
from nascout.graph import graph_cost
from nascout.graph.cuts import Pad
from nascout.graph.ops import Concat
from nascout.network import build
from nascout.space import SPACES

TEXT = "3x5x36|7x1x48:1|5x5x24:1,2"


@pytest.fixture(scope="module")
def space():
    return SPACES["nasrl"](depth=3)


@pytest.fixture(scope="module")
def strided():
    space = SPACES["nasrl"](depth=3, filters=(4, 6), strides=(1, 2, 3), input_shape=(2, 7, 9))
    # The first network and the first comparison import much of torch; that is no test's time.
    net, x = build(space.sample(random.Random(0))), torch.zeros(2, 2, 7, 9)
    torch.testing.assert_close(net(x), net(x))
    return space


def test_notation_both_ways(space):
    arch = space.parse(f" {TEXT}\n")
    assert [arch.choices[f"{what}2"] for what in ("height", "width", "filters")] == ["7", "1", "48"]
    assert [arch.choices[skip] for skip in ("1->2", "1->3", "2->3")] == ["yes"] * 3
    assert str(arch) == TEXT


def test_notation_with_strides(strided):
    text = "3x5x4/2x1|7x1x6/1x1|5x5x4/3x2:1"
    arch = strided.parse(text)
    assert (arch.choices["vertical_stride3"], arch.choices["horizontal_stride3"]) == ("3", "2")
    assert str(arch) == text


@pytest.mark.parametrize(
    "text",
    ["", "3x5x36|7x1x48:1", TEXT + "|3x3x24", TEXT.replace("x", "*"), TEXT + ",", TEXT + ":1"],
)
def test_malformed_text_says_what_to_write(space, text):
    with pytest.raises(ArchitectureError, match="Write 3 layers like 3x5x36"):
        space.parse(text)


def test_what_is_not_of_the_space(space, strided):
    with pytest.raises(ArchitectureError, match="'height1' of nasrl cannot be '2'"):
        space.parse(TEXT.replace("3x5", "2x5"))
    with pytest.raises(ArchitectureError, match=r"reads 2\. Let it read earlier layers"):
        space.parse("3x5x36|7x1x48:2|5x5x24")
    with pytest.raises(ArchitectureError, match="14 values for 12 decisions of nasrl"):
        space.parse("3x5x36/1x1|7x1x48|5x5x24")
    with pytest.raises(ArchitectureError, match="12 values for 18 decisions of nasrl"):
        strided.parse("3x5x4|7x1x6|5x5x4")


@pytest.mark.parametrize("depth", [1, 4])
def test_size(depth):
    """Four heights, widths and numbers of filters per layer, one bit per pair of layers; and nine
    strides in the paper's second experiment."""
    pairs = 2 ** (depth * (depth - 1) // 2)
    assert SPACES["nasrl"](depth=depth).size == 64**depth * pairs
    assert SPACES["nasrl"](depth=depth, strides=(1, 2, 3)).size == (64 * 9) ** depth * pairs


def inputs_of(graph, key):
    return [graph.nodes[i].key for i in graph.nodes[[n.key for n in graph].index(key)].inputs]


def test_rules_one_and_two(space):
    """Layer 2 reads nothing, so the image; layers 1 and 3 are read by nobody."""
    graph = space.parse("3x5x36|7x1x48|5x5x24:2").graph()
    assert inputs_of(graph, "layer2/conv2d") == ["input"]
    assert inputs_of(graph, "layer3/conv2d") == ["layer2/relu"]
    assert inputs_of(graph, "head/join") == ["layer1/relu", "layer3/relu"]


def test_rule_three(strided):
    """Maps of 4×9, 7×3 and 1×3 become 7×9 side by side."""
    graph = strided.parse("3x3x4/2x1|3x3x6/1x3|5x5x4/3x2").graph()
    shapes = {n.key: tuple(s) for n, s in zip(graph, graph.shapes, strict=True)}
    assert [shapes[f"layer{n}/relu"] for n in (1, 2, 3)] == [(4, 4, 9), (6, 7, 3), (4, 3, 5)]
    assert shapes["head/join"] == (14, 7, 9)


def test_without_strides_nothing_is_padded(space):
    rng = random.Random(0)
    graphs = [space.sample(rng).graph() for _ in range(20)]
    assert not any(isinstance(node.op, Pad) for graph in graphs for node in graph)
    assert any(isinstance(node.op, Concat) for graph in graphs for node in graph)


def test_costs_in_closed_form(space):
    """Filters times taps times channels read, 2 per normalised channel, and a classifier."""
    cost = graph_cost(space.parse(TEXT).graph())
    weights = 15 * 3 * 36 + 7 * 36 * 48 + 25 * 84 * 24
    classifier = 24 * 10 + 10
    assert cost.params == weights + 2 * (36 + 48 + 24) + classifier
    assert cost.macs == weights * 32**2 + classifier


def test_the_network_is_the_one_written_by_hand(strided):
    net = build(strided.parse("3x5x4/2x1|7x1x6/1x2|5x3x4/1x1:1,2")).double()
    state = dict(net.named_parameters())
    x = torch.randn(3, 2, 7, 9, generator=torch.Generator().manual_seed(0)).double()

    def layer(n, y, stride):
        weight = state[f"layer{n}.conv2d.weight"]
        pads = [side // 2 for side in weight.shape[2:]]
        scale, shift = (state[f"layer{n}.batchnorm.{name}"] for name in ("weight", "bias"))
        y = F.conv2d(y, weight, stride=stride, padding=pads)
        return F.relu(F.batch_norm(y, None, None, scale, shift, training=True))

    joined = torch.zeros(3, 10, 7, 9).double()
    joined[:, :4, :4, :] = layer(1, x, (2, 1))
    joined[:, 4:, :, :5] = layer(2, x, (1, 2))
    mean = layer(3, joined, 1).mean((2, 3))
    wanted = F.linear(mean, state["head.linear.weight"], state["head.linear.bias"])
    torch.testing.assert_close(net(x), wanted)
