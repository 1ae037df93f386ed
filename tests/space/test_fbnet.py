"""FBNet: its table of latencies, its released network, and a block written by hand."""

import random

import pytest
import torch
from torch.nn import functional as F

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import graph_cost
from nascout.network import build
from nascout.space import SPACES

OPS = ("k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip")
WIDTHS = [16, *[24] * 4, *[32] * 4, *[64] * 4, *[112] * 4, *[184] * 4, 352]
STRIDES = [1, *[2, 1, 1, 1] * 3, *[1] * 4, *[2, 1, 1, 1], 1]


@pytest.fixture(scope="module")
def space():
    return SPACES["fbnet"]()


def test_notation_both_ways(space):
    text = "|".join((*OPS, *OPS, *OPS[:4]))
    arch = space.parse(f" {text}\n")
    assert arch.values[:9] == OPS
    assert str(arch) == text


@pytest.mark.parametrize("text", ["", "skip", "|".join(["skip"] * 21), "|".join(["skip"] * 23)])
def test_malformed_text_says_what_to_write(space, text):
    with pytest.raises(ArchitectureError, match="Write 22 layers with"):
        space.parse(text)


def test_operations_of_other_spaces(space):
    with pytest.raises(ArchitectureError, match="'layer2' of fbnet cannot be 'k7_e6'"):
        space.parse("skip|k7_e6" + "|skip" * 20)


def test_seven_strides_are_too_few():
    with pytest.raises(ConfigError, match="Give 8"):
        SPACES["fbnet"](strides=(1,) * 7)


def test_size(space):
    """Nine operations in each of 22 layers."""
    assert space.size == 9**22


@pytest.fixture(scope="module")
def table(shared_data):
    import pandas as pd

    return pd.read_parquet(shared_data / "fbnet_latency.parquet", columns=["arch_str", "op_idx"])


def test_every_name_of_the_table_is_read(space, table):
    for text, numbers in table[::10].itertuples(index=False):
        arch = space.parse(text)
        assert str(arch) == text
        assert arch.values == tuple(OPS[int(i)] for i in numbers.split(","))


def closed_form(values, last=1984, classes=1000, side=224):
    """Params and MACs, layer by layer; 2 per channel for each normalisation."""
    side //= 2
    params, macs, c = 27 * 16 + 2 * 16, 27 * 16 * side**2, 16
    for op, out, stride in zip(values, WIDTHS, STRIDES, strict=True):
        small = side // stride
        if op == "skip":
            changes = stride > 1 or out != c
            params += changes * (c * out + 2 * out)
            macs += changes * c * out * small**2
        else:
            kernel, expansion = int(op[1]), int(op[4])
            groups, inside = 2 if "g2" in op else 1, expansion * c
            first, filters, second = (
                c * inside // groups,
                kernel**2 * inside,
                inside * out // groups,
            )
            params += first + filters + second + 4 * inside + 2 * out
            macs += first * side**2 + (filters + second) * small**2
        side, c = small, out
    params += c * last + 2 * last + last * classes + classes
    return params, macs + c * last * side**2 + last * classes + classes


def test_costs_are_the_closed_form(space):
    rng = random.Random(0)
    for arch in (space.sample(rng) for _ in range(10)):
        cost = graph_cost(arch.graph())
        assert (cost.params, cost.macs) == closed_form(arch.values)


def test_the_released_network(space):
    """5.5M params; 375M MACs, at the 1504 channels of the paper and without the classifier."""
    cost = graph_cost(space.parse(space.known["fbnet_c"]).graph())
    assert (cost.params, cost.macs) == (5_572_200, 384_961_160)
    paper = SPACES["fbnet"](last=1504)
    cost = graph_cost(paper.parse(space.known["fbnet_c"]).graph())
    assert cost.macs - (1504 * 1000 + 1000) == pytest.approx(375e6, abs=0.5e6)


def test_widths_follow_the_stem_and_stay_even():
    small = SPACES["fbnet"](channels=5, last=32, input_shape=(3, 32, 32))
    graph = small.parse("|".join(["k3_e1"] * 22)).graph()
    widths = [s.channels for n, s in zip(graph, graph.shapes, strict=True) if "layer0" in n.key]
    assert sorted({*widths}) == [4, 6, 10, 20, 34, 56, 110]
    assert graph.shapes[-3].channels == 10


def norm(state, key, x):
    return F.batch_norm(x, None, None, state[f"{key}.weight"], state[f"{key}.bias"], training=True)


def halves(x, weight):
    """A 1x1 convolution in two groups, as two."""
    (a, b), (v, w) = x.chunk(2, 1), weight.chunk(2)
    return torch.cat([F.conv2d(a, v), F.conv2d(b, w)], 1)


@pytest.fixture(scope="module")
def grouped():
    """A network of one block in groups; all other layers are skips."""
    small = SPACES["fbnet"](channels=8, classes=3, strides=(1,) * 8, input_shape=(3, 5, 6))
    # The first network and the first comparison import much of torch; that is no test's time.
    net, x = build(small.parse("k5_e1_g2" + "|skip" * 21)).double(), torch.zeros(2, 3, 5, 6)
    torch.testing.assert_close(net(x.double()), net(x.double()))
    return net


def test_a_block_in_groups_is_the_one_written_by_hand(grouped):
    """Groups of the second convolution read both of the first."""
    parameters = grouped.stage1.layer0.k5_e1_g2.named_parameters()
    state, kept = dict(parameters), {}
    for name, part in (("stem", grouped.stem.relu), ("block", grouped.stage1.layer0.sum)):
        part.register_forward_hook(lambda _, read, made, name=name: kept.update({name: made}))
    x = torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    grouped(x.double())
    y = F.relu(norm(state, "batchnorm", halves(kept["stem"], state["conv2d.weight"])))
    y = y[:, [0, 4, 1, 5, 2, 6, 3, 7]]
    y = F.conv2d(y, state["depthwiseconv2d.weight"], padding=2, groups=8)
    y = F.relu(norm(state, "batchnorm2", y))
    y = norm(state, "batchnorm3", halves(y, state["conv2d2.weight"]))
    torch.testing.assert_close(kept["block"], y + kept["stem"])
