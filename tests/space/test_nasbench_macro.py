"""NAS-Bench-Macro against its table."""

import pytest

from nascout.errors import ArchitectureError
from nascout.graph import graph_cost
from nascout.space import SPACES


@pytest.fixture(scope="module")
def space():
    return SPACES["nasbench_macro"]()


def test_notation_both_ways(space):
    arch = space.parse(" 02012100\n")
    assert arch.values[:3] == ("identity", "mb6_k5", "identity")
    assert arch.choices["layer3"] == "mb3_k3"
    assert str(arch) == "02012100"


@pytest.mark.parametrize("text", ["", "0201210", "020121000", "02012103", "0201210٠", "0 012100"])
def test_malformed_text_says_what_to_write(space, text):
    with pytest.raises(ArchitectureError, match="Write eight digits, such as 22212220"):
        space.parse(text)


def test_there_are_6561(space):
    assert space.size == 3**8 == 6561


@pytest.mark.parametrize(
    ("text", "params", "flops"),
    [
        ("00000000", 387_882, 7_713_280),
        ("02012100", 890_666, 47_327_744),
        ("11111221", 2_181_386, 65_012_224),
        ("02012220", 1_886_890, 65_495_552),
    ],
)
def test_published_costs(space, text, params, flops):
    """The benchmark leaves out the 10 additions of the classifier's bias."""
    cost = graph_cost(space.parse(text).graph())
    assert (cost.params, cost.macs - 10) == (params, flops)


def compare(space, rows):
    for row in rows.itertuples():
        arch = space.parse(row.arch)
        cost = graph_cost(arch.graph())
        assert (str(arch), cost.params, cost.macs - 10) == (row.arch, row.params, row.flops)


@pytest.fixture(scope="module")
def table(shared_data):
    import pandas as pd

    return pd.read_parquet(shared_data / "nasbench_macro.parquet")


def test_costs_of_every_hundredth_row(space, table):
    compare(space, table[::100])


@pytest.mark.slow
def test_costs_of_the_whole_table(space, table):
    assert len(set(table.arch)) == 6561
    compare(space, table)


def test_widths_follow_the_stem():
    """Depth-zero network: stem, three 1x1 projections, the last convolution, classifier."""
    small = SPACES["nasbench_macro"](channels=4, classes=3, input_shape=(1, 9, 9))
    c = 4
    params = 9 * c + 2 * c
    params += sum(2 * w * w + 4 * w for w in (c, 2 * c, 4 * c))
    params += 8 * c * 40 * c + 2 * 40 * c + 40 * c * 3 + 3
    assert graph_cost(small.parse("00000000").graph()).params == params
