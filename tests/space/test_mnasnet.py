"""The MnasNet space against Accel-NASBench's params and MACs."""

import pytest

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import graph_cost
from nascout.graph.gates import SiLU
from nascout.graph.ops import BatchNorm, GlobalAvgPool, Linear, ReLU
from nascout.space import SPACES

TEXT = "e6k5l2-e1k3l3-e4k3l3se-e4k3l2se-e1k3l1se-e4k3l4se-e1k5l2"
#: Record 4564 of the benchmark: expansions, kernels, layers and gates.
RECORD = {
    "e": (6, 1, 4, 4, 1, 4, 1),
    "k": (5, 3, 3, 3, 3, 3, 5),
    "l": (2, 3, 3, 2, 1, 4, 2),
    "se": (False, False, True, True, True, True, False),
}
ROW = {f"block{i}_{part}": RECORD[part][i] for i in range(7) for part in RECORD}


@pytest.fixture(scope="module")
def space():
    return SPACES["mnasnet"]()


def counted(graph):
    """What the benchmark counts: no biases, 4 per normalised value, the sums of pooling."""
    total = graph_cost(graph).macs
    for index, node in enumerate(graph):
        made = graph.shapes[index]
        if isinstance(node.op, Linear):
            total -= made.size
        elif isinstance(node.op, BatchNorm):
            total += 4 * made.size
        elif isinstance(node.op, GlobalAvgPool):
            total += graph.input_shapes(index)[0].size + made.size
    return total


def test_notation_both_ways(space):
    arch = space.parse(f" {TEXT} ")
    assert str(arch) == TEXT
    assert arch == space.from_row(ROW | {"val_top1": 60.3})
    assert arch.choices["block5_l"] == "4"


@pytest.mark.parametrize(
    "text", ["", TEXT[:-1], TEXT + "se-", TEXT.replace("se", "s"), TEXT[7:], TEXT + "-e1k3l1"]
)
def test_malformed_text_says_what_to_write(space, text):
    with pytest.raises(ArchitectureError, match="Write it like e1k3l1-e6k3l2-"):
        space.parse(text)


def test_values_of_other_spaces(space):
    with pytest.raises(ArchitectureError, match="'block0_e' of mnasnet cannot be '3'"):
        space.parse(TEXT.replace("e6", "e3", 1))
    with pytest.raises(ArchitectureError, match="'block0_l' of mnasnet cannot be '4'"):
        space.parse(TEXT.replace("l2", "l4", 1))
    with pytest.raises(ArchitectureError, match="'block6_se' of mnasnet cannot be None"):
        space.from_row({k: v for k, v in ROW.items() if k != "block6_se"})


def test_size(space):
    """36^6 · 48: three expansions, two kernels, three layers (once four), two gates."""
    assert space.size == 36**6 * 48


def test_a_published_record(space):
    graph = space.from_row(ROW).graph()
    assert graph_cost(graph).params == 3_355_776
    assert counted(graph) == 446_079_760


def compare(space, rows):
    for row in rows.to_dict("records"):
        arch = space.from_row(row)
        assert space.parse(str(arch)) == arch
        found = graph_cost(arch.graph()).params, counted(arch.graph())
        assert found == (round(row["info_params"] * 1e6), round(row["info_macs"] * 1e6)), str(arch)


@pytest.fixture(scope="module")
def table(shared_data):
    import pandas as pd

    return pd.read_parquet(shared_data / "accel_nasbench.parquet")


def test_costs_of_every_hundredth_row(space, table):
    compare(space, table[::100])


@pytest.mark.slow
def test_costs_of_the_whole_table(space, table):
    compare(space, table)


def test_activations():
    kinds = {}
    for name in ("silu", "relu"):
        graph = SPACES["mnasnet"](channels=8, activation=name).parse(TEXT).graph()
        kinds[name] = {type(node.op) for node in graph} & {SiLU, ReLU}
    assert kinds == {"silu": {SiLU}, "relu": {ReLU}}
    with pytest.raises(ConfigError, match="Choose one of silu, relu"):
        SPACES["mnasnet"](activation="gelu")


def test_widths_follow_the_stem():
    small = SPACES["mnasnet"](channels=8, classes=3, input_shape=(3, 32, 32)).parse(TEXT).graph()
    widths = {n.key.split("/")[0]: s.channels for n, s in zip(small, small.shapes, strict=True)}
    assert list(widths.values()) == [3, 8, 4, 6, 10, 20, 28, 48, 80, 3]
