"""TransNAS-Bench-101 macro: its names, the rule behind them, and its costs."""

import pytest

from nascout.errors import ArchitectureError
from nascout.graph import graph_cost
from nascout.space import SPACES


@pytest.fixture(scope="module")
def space():
    return SPACES["transnasbench101_macro"]()


def test_notation_both_ways(space):
    arch = space.parse("64-1234-basic")
    assert arch.values == ("4", "1", "2", "3", "4", None, None)
    assert str(arch) == "64-1234-basic"


@pytest.mark.parametrize(
    "text",
    ["", "64-123-basic", "64-1234567-basic", "64-1235-basic", "32-1234-basic", "64-41414-1_02_333"],
)
def test_malformed_text_says_what_to_write(space, text):
    with pytest.raises(ArchitectureError, match="Write it like 64-1234-basic"):
        space.parse(text)


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ("1113", "0 modules double"),
        ("1112", "0 halve"),
        ("4444", "4 modules double"),
        ("433331", "5 halve"),
    ],
)
def test_networks_out_of_the_space_say_why(space, digits, words):
    with pytest.raises(ArchitectureError, match=words):
        space.parse(f"64-{digits}-basic")


def test_size(space):
    """3,256 in the paper; all of them listed."""
    assert space.size == sum(1 for _ in space) == 3256


def test_every_name_of_the_table_is_read_and_nothing_else(space, shared_data):
    import pandas as pd

    table = pd.read_parquet(shared_data / "transnasbench101.parquet", columns=["arch", "space"])
    names = set(table.arch[table.space == "macro"])
    assert len(names) == 3256
    assert all(str(space.parse(name)) == name for name in names)


def closed_form(digits, c=64, blocks=2, classes=47, side=256):
    """Params and MACs of a residual network with 3x3 convolutions and 1x1 shortcuts."""
    half, side = c // 2, side // 2
    params, macs = 27 * half + 2 * half, 27 * half * side**2
    side //= 2
    params, macs = params + 9 * half * c + 2 * c, macs + 9 * half * c * side**2
    for digit in digits:
        for block in range(blocks):
            first = block == 0
            out = 2 * c if digit in "24" and first else c
            side = side // 2 if digit in "34" and first else side
            weights = 9 * c * out + 9 * out * out
            params += weights + 4 * out
            if digit != "1" and first:
                weights += c * out
                params += c * out + 2 * out
            macs += weights * side**2
            c = out
    return params + c * classes + classes, macs + c * classes + classes


@pytest.mark.parametrize("digits", ["1234", "4111", "111142", "44413", "233121"])
def test_costs_are_the_closed_form(space, digits):
    cost = graph_cost(space.parse(f"64-{digits}-basic").graph())
    assert (cost.params, cost.macs) == closed_form(digits)


def test_a_small_one():
    options = {"channels": 4, "blocks": 1, "classes": 3, "input_shape": (3, 32, 32)}
    small = SPACES["transnasbench101_macro"](**options)
    cost = graph_cost(small.parse("64-1234-basic").graph())
    assert (cost.params, cost.macs) == closed_form("1234", 4, 1, 3, 32)
