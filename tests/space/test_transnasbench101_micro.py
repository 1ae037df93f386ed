"""TransNAS-Bench-101 micro: its names, and its network written out by hand."""

import random

import pytest
import torch
from torch.nn import functional as F

from nascout.errors import ArchitectureError
from nascout.graph import graph_cost
from nascout.network import build
from nascout.space import SPACES

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")


@pytest.fixture(scope="module")
def space():
    return SPACES["transnasbench101_micro"]()


@pytest.fixture(scope="module")
def small():
    space = SPACES["transnasbench101_micro"](channels=4, classes=3, input_shape=(3, 38, 45))
    # The first network and the first comparison import much of torch; that is no test's time.
    net, x = build(space.parse("64-41414-0_00_000")), torch.zeros(2, *space.input_shape)
    torch.testing.assert_close(net(x), net(x))
    return space


def test_notation_both_ways(space):
    """The example of the benchmark's README."""
    arch = space.parse("64-41414-1_02_333")
    skip, none, conv1, conv3 = "skip_connect", "none", "nor_conv_1x1", "nor_conv_3x3"
    assert arch.values == (skip, none, conv1, conv3, conv3, conv3)
    assert str(arch) == "64-41414-1_02_333"


@pytest.mark.parametrize(
    "text",
    ["", "64-41414-1_02_33", "64-41414-1_02_334", "64-1234-basic", "32-41414-1_02_333", "1_02_333"],
)
def test_malformed_text_says_what_to_write(space, text):
    with pytest.raises(ArchitectureError, match="Write it like 64-41414-1_02_333"):
        space.parse(text)


def test_every_name_of_the_table_is_read_and_nothing_else(space, shared_data):
    import pandas as pd

    table = pd.read_parquet(shared_data / "transnasbench101.parquet", columns=["arch", "space"])
    names = set(table.arch[table.space == "micro"])
    assert space.size == len(names) == 4**6
    assert all(str(space.parse(name)) == name for name in names)


def closed_form(values, c, cells, classes):
    """A convolution of k taps and its normalisation cost k·in·out + 2·out; so does a skip that
    changes the shape, with one tap."""
    half = c // 2
    params = 27 * half + 2 * half + 9 * half * c + 2 * c
    kernels = {OPS[2]: 1, OPS[3]: 9}
    width = c
    for module in range(5):
        for cell in range(cells):
            first = module % 2 == 0 and cell == 0
            out = 2 * width if first else width
            for edge, op in enumerate(values):
                from_input = edge in (0, 1, 3)
                c_in = width if from_input else out
                taps = kernels.get(op, 1 if op == OPS[1] and first and from_input else 0)
                params += taps * c_in * out + (2 * out if taps else 0)
            width = out
    return params + width * classes + classes


@pytest.mark.parametrize(("c", "cells", "classes"), [(64, 2, 47), (4, 1, 3)])
def test_params_are_the_closed_form(c, cells, classes):
    space = SPACES["transnasbench101_micro"](channels=c, cells=cells, classes=classes)
    rng = random.Random(0)
    for arch in (space.sample(rng) for _ in range(10)):
        assert graph_cost(arch.graph()).params == closed_form(arch.values, c, cells, classes)


def norm(state, key, x):
    return F.batch_norm(x, None, None, state[f"{key}.weight"], state[f"{key}.bias"], training=True)


def edge(state, key, op, x, out, stride):
    """One edge as the benchmark's code has it, on weights found by position."""
    key = f"{key}.{op}"
    if op == "none":
        return x.new_zeros(len(x), out, *(-(-size // stride) for size in x.shape[2:]))
    if op == "skip_connect":
        if stride == 1 and x.shape[1] == out:
            return x
        padded = F.pad(F.relu(x), (0, 1, 0, 1))[:, :, 1:, 1:]
        halves = [
            F.conv2d(y, state[f"{key}.{name}.weight"], stride=stride)
            for name, y in (("even", F.relu(x)), ("odd", padded))
        ]
        return norm(state, f"{key}.batchnorm", torch.cat(halves, 1))
    weight = state[f"{key}.conv2d.weight"]
    y = F.conv2d(F.relu(x), weight, stride=stride, padding=weight.shape[-1] // 2)
    return norm(state, f"{key}.batchnorm", y)


def by_hand(state, values, x, cells):
    y = F.conv2d(x, state["stem.conv2d.weight"], stride=2, padding=1)
    y = F.conv2d(
        F.relu(norm(state, "stem.batchnorm", y)),
        state["stem.conv2d2.weight"],
        stride=2,
        padding=1,
    )
    y = norm(state, "stem.batchnorm2", y)
    for module in range(1, 6):
        for cell in range(cells):
            first = module % 2 == 1 and cell == 0
            out, stride = (2 * y.shape[1], 2) if first else (y.shape[1], 1)
            nodes, ops = [y], iter(values)
            for j in (1, 2, 3):
                key = f"module{module}.block{cell}"
                terms = [
                    edge(state, f"{key}.{i}->{j}", next(ops), nodes[i], out, 1 if i else stride)
                    for i in range(j)
                ]
                nodes.append(sum(terms))
            y = nodes[-1]
    return F.linear(y.mean((2, 3)), state["head.linear.weight"], state["head.linear.bias"])


@pytest.mark.parametrize("text", ["1_02_333", "0_00_000", "0_11_101", "3_10_213", "2_01_310"])
def test_the_network_is_the_one_written_by_hand(small, text):
    arch = small.parse(f"64-41414-{text}")
    net = build(arch).double()
    x = torch.randn(3, *small.input_shape, generator=torch.Generator().manual_seed(0)).double()
    state = dict(net.named_parameters())
    torch.testing.assert_close(net(x), by_hand(state, arch.values, x, small.cells))
