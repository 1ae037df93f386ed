"""ENAS's macro space: the released layers counted by hand, and its networks written by hand."""

import pytest
import torch
from torch.nn import functional as F

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import graph_cost
from nascout.network import build
from nascout.space import SPACES

OPS = ("conv_3x3", "sep_conv_3x3", "conv_5x5", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")
# Layer 3 reads the stem; layer 4 reads layer 2 and not the stem, and so on.
TEXT = "1 4 1 0 1 0 2 0 0 1 5 1 1 0 1"


@pytest.fixture(scope="module")
def space():
    return SPACES["enas_macro"]()


def test_notation_both_ways():
    five = SPACES["enas_macro"](layers=5)
    arch = five.parse(f" {TEXT}\n")
    assert [OPS.index(arch.choices[f"op{layer}"]) for layer in range(1, 6)] == [1, 4, 0, 2, 5]
    joins = {name for name, value in arch.choices.items() if value == "yes"}
    assert joins == {"0->2", "0->3", "2->4", "0->5", "1->5", "3->5"}
    assert str(arch) == TEXT


def test_what_is_not_of_the_space():
    three = SPACES["enas_macro"](layers=3)
    for text in ("", "0 3 0 5 1", "0 3 0 5 1 0 0"):
        with pytest.raises(ArchitectureError, match="Write 6: each layer's operation and skips"):
            three.parse(text)
    with pytest.raises(ArchitectureError, match="op2 of enas_macro cannot be '6'"):
        three.parse("0 6 0 5 1 0")
    with pytest.raises(ArchitectureError, match="0->3 of enas_macro cannot be '2'"):
        three.parse("0 3 0 5 2 0")
    with pytest.raises(ConfigError, match="Choose one of final, released, search"):
        SPACES["enas_macro"](network="big")
    with pytest.raises(ConfigError, match="Give an even number"):
        SPACES["enas_macro"](channels=3)


def test_size():
    """Six operations per layer, a bit for every pair: 1.6e29 for the paper's 12 layers."""
    size = SPACES["enas_macro"](layers=12).size
    assert size == 6**12 * 2**66
    assert size == pytest.approx(1.6e29, rel=0.01)


def counted(numbers, c, *, plain, classes=10):
    """Params of the 24 layers: k²·in·out, or k²·in + in·out, and 2 for each normalised channel."""
    numbers, total, c_in = iter(numbers), 27 * c + 2 * c, c
    for layer in range(24):
        op, joins = next(numbers), sum(next(numbers) for _ in range(layer))
        taps = 9 if op < 2 else 25
        total += c_in * c + 2 * c
        total += (taps * c * c if plain or op in (0, 2) else taps * c + c * c) + 2 * c
        total += (1 + joins) * c * c + 2 * c if layer else 0
        c_in = c
        if layer in (7, 15):
            total += (layer + 2) * (c * 2 * c + 4 * c)
            c_in = c = 2 * c
    return total + c * classes


@pytest.mark.parametrize(("network", "params"), [("final", 30_947_424), ("released", 42_559_392)])
def test_the_released_layers(space, network, params):
    text = space.known["enas_macro"]
    arch = SPACES["enas_macro"](network=network).parse(text)
    assert str(arch) == text
    numbers = [int(number) for number in text.split()]
    assert graph_cost(arch.graph()).params == params
    assert counted(numbers, 96, plain=network == "released") == params


def norm(state, key, x):
    return F.batch_norm(x, None, None, state[f"{key}.weight"], state[f"{key}.bias"], training=True)


def conv(state, key, x, **options):
    weight = state[f"{key}.weight"]
    return F.conv2d(x, weight, padding=weight.shape[-1] // 2, **options)


def pooled(op, x):
    if op == "avg_pool_3x3":
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    return F.max_pool2d(x, 3, 1, 1)


def filtered(state, key, op, x, network):
    """The convolution behind the first 1x1; the released code has no separable ones."""
    if op.startswith("sep") and network != "released":
        x = conv(state, f"{key}.depthwiseconv2d", x, groups=x.shape[1])
    return norm(state, f"{key}.batchnorm2", conv(state, f"{key}.conv2d2", x))


def by_hand(state, arch, x, network):
    choices, layers = arch.choices, arch.space.layers
    nodes = [norm(state, "stem.batchnorm", conv(state, "stem.conv2d", x))]
    for layer in range(1, layers + 1):
        op = choices[f"op{layer}"]
        key, y = f"layer{layer}.{op}", nodes[-1]
        if network == "search":
            y = F.relu(norm(state, f"{key}.batchnorm", conv(state, f"{key}.conv2d", y)))
            if op in OPS[:4]:
                y = F.relu(filtered(state, key, op, y, network))
        else:
            y = norm(state, f"{key}.batchnorm", conv(state, f"{key}.conv2d", F.relu(y)))
            if op in OPS[:4]:
                y = filtered(state, key, op, F.relu(y), network)
        y = pooled(op, y) if op in OPS[4:] else y
        if layer > 1:
            terms = [nodes[i] for i in range(layer - 1) if choices[f"{i}->{layer}"] == "yes"]
            key = f"layer{layer}.join"
            if network == "search":
                y = norm(state, f"{key}.batchnorm", sum(terms) + y)
            else:
                y = conv(state, f"{key}.conv2d", F.relu(torch.cat([*terms, y], 1)))
                y = norm(state, f"{key}.batchnorm", y)
        nodes.append(y)
        if layer in (layers // 3, 2 * (layers // 3)):
            nodes = [
                reduced(state, f"reduction{layer // (layers // 3)}.from{i}", node)
                for i, node in enumerate(nodes)
            ]
    return nodes[-1].mean((2, 3)) @ state["head.linear.weight"].T


def reduced(state, key, x):
    odd = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
    halves = [
        F.conv2d(y[:, :, ::2, ::2], state[f"{key}.{name}.weight"])
        for name, y in (("even", x), ("odd", odd))
    ]
    return norm(state, f"{key}.batchnorm", torch.cat(halves, 1))


@pytest.mark.parametrize("network", ["search", "final", "released"])
@pytest.mark.parametrize("text", [TEXT, "3 0 0 2 0 1 4 1 1 1 0 0 0 0 0"])
def test_the_network_is_the_one_written_by_hand(network, text):
    options = {"layers": 5, "channels": 4, "classes": 3, "input_shape": (2, 9, 6)}
    arch = SPACES["enas_macro"](**options, network=network).parse(text)
    net = build(arch).double()
    x = torch.randn(3, 2, 9, 6, generator=torch.Generator().manual_seed(0)).double()
    state = dict(net.named_parameters())
    assert any("depthwise" in name for name in state) == (network != "released")
    torch.testing.assert_close(net(x), by_hand(state, arch, x, network))
