"""NATS-Bench's size space against the records of the benchmark."""

import gzip
import json

import pytest

from nascout.errors import ArchitectureError
from nascout.graph import graph_cost
from nascout.space import SPACES


@pytest.fixture(scope="module")
def space():
    return SPACES["nats_size"]()


def test_notation_both_ways(space):
    arch = space.parse(" 8:16:24:32:40\n")
    assert arch.values == ("8", "16", "24", "32", "40")
    assert str(arch) == "8:16:24:32:40"


@pytest.mark.parametrize(
    "text", ["", "8:8:8:8", "8:8:8:8:8:8", "8:8:8:8:8:", "8,8,8,8,8", "8:8:8:8:٨", "a:b:c:d:e"]
)
def test_malformed_text_says_what_to_write(space, text):
    with pytest.raises(ArchitectureError, match="Write it like 8:16:24:32:40"):
        space.parse(text)


@pytest.mark.parametrize("width", ["0", "12", "72", "08"])
def test_widths_of_other_spaces(space, width):
    with pytest.raises(ArchitectureError, match=f"'channels2' of nats_size cannot be '{width}'"):
        space.parse(f"8:{width}:8:8:8")


def test_there_are_32768(space):
    assert space.size == 8**5 == 32_768


SIZES = {
    "cifar10": (10, 32),
    "cifar10-valid": (10, 32),
    "cifar100": (100, 32),
    "ImageNet16-120": (120, 16),
}


def cost(text, data):
    classes, side = SIZES[data]
    space = SPACES["nats_size"](classes=classes, input_shape=(3, side, side))
    return graph_cost(space.parse(text).graph())


@pytest.mark.parametrize(
    ("text", "data", "params", "mega_macs"),
    [
        ("8:8:8:8:8", "cifar10", 11_714, 4.481114),
        ("8:8:8:16:32", "ImageNet16-120", 52_832, 1.71404),
        ("8:8:40:32:40", "cifar100", 148_524, 21.831684),
    ],
)
def test_published_costs(text, data, params, mega_macs):
    found = cost(text, data)
    assert (found.params, found.macs) == (params, round(mega_macs * 1e6))


def test_records(shared_data):
    """Every training of three networks; the one with widths 8:8:8:16:32 has a skip that widens."""
    with gzip.open(shared_data / "nats_bench_3_records.json.gz") as file:
        records = json.load(file)
    trainings = [
        training
        for name, record in records.items()
        for epochs in ("12", "90") * name.startswith("sss/")
        for training in record[epochs]["all_results"].values()
    ]
    assert len(trainings) > 20
    for training in trainings:
        found = cost(training["arch_config"]["channels"], training["name"])
        wanted = round(training["params"] * 1e6), round(training["flop"] * 1e6)
        assert (found.params, found.macs) == wanted


@pytest.fixture(scope="module")
def cells(shared_data):
    import pandas as pd

    return pd.read_parquet(shared_data / "nasbench201.parquet", columns=["arch_str", "c100_val"])


def test_the_cell_is_the_most_accurate_on_cifar100(space, cells):
    """Each edge has the operation of the best row of NAS-Bench-201's table."""
    best = cells.arch_str[cells.c100_val.idxmax()]
    cell = SPACES["nasbench201"]().parse(best)
    keys = {tuple(n.key.split("/")[2:4]) for n in space.parse("8:8:8:8:8").graph() if "->" in n.key}
    edges = {key for key in keys if key[1] != "skip_connect"}
    assert edges == {(e, op) for e, op in cell.choices.items() if op != "skip_connect"}
    assert cell.choices["0->3"] == "skip_connect"
