"""ProxylessNAS: the released networks against their published counts."""

import random

import pytest

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import graph_cost
from nascout.graph.gates import ReLU6
from nascout.graph.ops import ReLU
from nascout.space import SPACES

WIDTHS = {
    "search": (32, 16, 24, 40, 80, 96, 192, 320, 1280),
    "gpu": (40, 24, 32, 56, 112, 128, 256, 432, 1728),
}


@pytest.fixture(scope="module")
def space():
    return SPACES["proxylessnas"]()


def test_notation_both_ways(space):
    text = space.known["proxyless_mobile"]
    arch = space.parse(f" {text}\n")
    assert [arch.choices[f"stage1_layer{i}"] for i in range(4)] == [
        "k5_e3",
        "k3_e3",
        "zero",
        "zero",
    ]
    assert str(arch) == text


@pytest.mark.parametrize("text", ["", "k3_e3", "|".join(["k3_e3"] * 20), "k3_e3|" * 21])
def test_malformed_text_says_what_to_write(space, text):
    with pytest.raises(ArchitectureError, match="Write 21 blocks with"):
        space.parse(text)


def test_what_is_not_of_the_space(space):
    with pytest.raises(ArchitectureError, match="'stage1_layer0' of proxylessnas cannot be 'zero'"):
        space.parse("zero" + "|k3_e3" * 20)
    with pytest.raises(ConfigError, match="Choose one of search, mobile, gpu, cpu, mobile_14"):
        SPACES["proxylessnas"](backbone="tpu")
    with pytest.raises(ConfigError, match="Give 8"):
        SPACES["proxylessnas"](strides=(1,) * 9)


def test_size(space):
    """Six blocks where a stage begins, and one more choice, nothing, in 15 other places."""
    assert space.size == 6**6 * 7**15


@pytest.mark.parametrize(
    ("name", "params", "mega_macs"),
    [
        ("proxyless_mobile", 4_080_512, 320),
        ("proxyless_gpu", 7_119_848, None),
        ("proxyless_cpu", 4_361_648, None),
        ("proxyless_mobile_14", 6_857_568, 581),
    ],
)
def test_the_released_networks(space, name, params, mega_macs):
    """MACs as published; params as other ports of the released weights have them."""
    widths = SPACES["proxylessnas"](**space.known_skeletons[name])
    cost = graph_cost(widths.parse(space.known[name]).graph())
    assert cost.params == params
    if mega_macs:
        assert round(cost.macs / 1e6) == mega_macs


def closed_form(values, widths, classes=1000, side=224):
    """Params and MACs of the blocks that are there; 2 per channel for each normalisation."""
    stem, first, *stages, last = widths
    side //= 2
    params = 29 * stem + 11 * stem + stem * first + 2 * first
    macs = (27 * stem + 9 * stem + stem * first) * side**2
    c, values = first, iter(values)
    for out, halves, layers in zip(stages, (1, 1, 1, 0, 1, 0), (4, 4, 4, 4, 4, 1), strict=True):
        for layer, op in enumerate([next(values) for _ in range(layers)]):
            if op != "zero":
                inside, taps = int(op[4]) * c, int(op[1]) ** 2
                params += c * inside + taps * inside + inside * out + 4 * inside + 2 * out
                macs += c * inside * side**2
                side //= 2 if halves and not layer else 1
                macs += (taps * inside + inside * out) * side**2
                c = out
    params += c * last + 2 * last + last * classes + classes
    return params, macs + c * last * side**2 + last * classes + classes


@pytest.mark.parametrize("backbone", WIDTHS)
def test_costs_are_the_closed_form(backbone):
    space, rng = SPACES["proxylessnas"](backbone=backbone), random.Random(0)
    for arch in (space.sample(rng) for _ in range(10)):
        cost = graph_cost(arch.graph())
        assert (cost.params, cost.macs) == closed_form(arch.values, WIDTHS[backbone])


def test_every_activation_is_relu6(space):
    graph = space.sample(random.Random(0)).graph()
    assert {type(node.op) for node in graph if isinstance(node.op, ReLU)} == {ReLU6}


def test_where_the_zeros_of_a_stage_stand_does_not_matter(space):
    text = space.known["proxyless_mobile"]
    moved = text.replace("k3_e3|zero|zero", "zero|k3_e3|zero", 1)
    assert moved != text
    assert space.parse(moved).digest == space.parse(text).digest


def test_widths_are_divided():
    small = SPACES["proxylessnas"](divisor=8, classes=3, input_shape=(3, 32, 32))
    graph = small.parse(small.known["proxyless_mobile"]).graph()
    ends = [
        s.channels for n, s in zip(graph, graph.shapes, strict=True) if "/project/conv" in n.key
    ]
    assert sorted({*ends}) == [2, 4, 5, 10, 12, 24, 40]
