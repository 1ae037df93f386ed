"""NAS-Bench-201 against its paper's and its table's numbers."""

import random

import pytest

from nascout.errors import ArchitectureError
from nascout.graph import graph_cost
from nascout.graph.ops import Zero
from nascout.space import SPACES, Architecture

EDGES = ("0->1", "0->2", "1->2", "0->3", "1->3", "2->3")
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP, CONV1, CONV3, POOL = OPS
RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"


@pytest.fixture(scope="module")
def space():
    return SPACES["nasbench201"]()


@pytest.fixture(scope="module")
def tiny():
    """The same cells in the smallest skeleton."""
    return SPACES["nasbench201"](channels=2, cells=1, classes=3, input_shape=(1, 4, 4))


@pytest.fixture(scope="module")
def cells(tiny):
    """All of them."""
    return list(tiny)


@pytest.fixture(scope="module")
def table(shared_data):
    import pandas as pd

    return pd.read_parquet(shared_data / "nasbench201.parquet")


def test_notation_both_ways(space):
    text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"
    arch = space.parse(text)
    assert arch.values == (CONV3, NONE, SKIP, CONV1, NONE, POOL)
    assert dict(arch.choices) == dict(zip(EDGES, arch.values, strict=True))
    assert str(arch) == text
    assert space.parse(f"  {text}\n") == arch


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nor_conv_3x3",
        RESNET[:-1],
        RESNET + "+|none~0|",
        RESNET + "x",
        RESNET.replace("+", "", 1),
        RESNET.replace("~1|+", "~2|+"),
        RESNET.replace("|nor_conv_3x3~0|+", "|nor_conv_3x3~0||+", 1),
        RESNET.replace("~0", "~zero"),
        RESNET.replace("nor_conv_3x3~0", "nor_conv_5x5~0"),
        RESNET.replace("nor_conv_3x3~0", "~0"),
        RESNET.replace("nor_conv_3x3~0", "nor\nconv~0"),
    ],
)
def test_malformed_text_is_one_line_with_what_to_write(space, text):
    with pytest.raises(ArchitectureError) as error:
        space.parse(text)
    message = str(error.value)
    assert "\n" not in message
    assert "|nor_conv_3x3~0|+|" in message or "Allowed here: none, skip_connect" in message


def test_all_are_enumerated(cells, tiny):
    assert len(cells) == len(set(cells)) == tiny.size == 5**6 == 15_625
    assert len({a.values for a in cells}) == 15_625


def test_unique_strings_and_dead_cells(cells, tiny):
    """6,466 classes by the official rule; 341 cells without a path (NAS-Bench-201, data)."""
    assert len({tiny.unique_string(a) for a in cells}) == 6466
    assert sum(not tiny.has_signal(a) for a in cells) == 341


def test_every_text_of_the_table_is_read_back(space, table):
    texts = list(table.arch_str)
    parsed = [space.parse(text) for text in texts]
    assert [str(a) for a in parsed] == texts
    assert len(set(parsed)) == 15_625


def test_unique_strings_make_the_tables_classes(space, table):
    ours = [space.unique_string(space.parse(text)) for text in table.arch_str]
    pairs = set(zip(ours, table.unique_str, strict=True))
    assert len(pairs) == len(set(ours)) == len(set(table.unique_str)) == 6466


def closed_form(values, c=16, n=5, classes=10, image=3):
    """The cost formula of algorithms.md P.3; a convolution of any edge counts, used or not."""
    kernels = {CONV1: 1, CONV3: 9}
    taps = [kernels[v] for v in values if v in kernels]
    params = 9 * image * c + 2 * c + 2 * 4 * c + classes * 4 * c + classes
    for width in (c, 2 * c, 4 * c):
        params += n * sum(k * width**2 + 2 * width for k in taps)
    for width in (c, 2 * c):
        params += 18 * width**2 + 4 * width + 36 * width**2 + 4 * width + 2 * width**2
    return params


def closed_form_macs(values, c=16, n=5, classes=10, image=3, side=32):
    kernels = {CONV1: 1, CONV3: 9}
    taps = sum(kernels.get(v, 0) for v in values)
    macs = 9 * image * c * side**2 + classes * 4 * c + classes
    for width, size in ((c, side), (2 * c, side // 2), (4 * c, side // 4)):
        macs += n * taps * width**2 * size**2
    for width, size in ((c, side // 2), (2 * c, side // 4)):
        macs += (18 + 36 + 2) * width**2 * size**2
    return macs


@pytest.mark.parametrize(
    "skeleton",
    [{}, {"channels": 8, "cells": 2, "classes": 100, "input_shape": (1, 16, 16)}],
)
def test_cost_is_the_closed_form(skeleton):
    space = SPACES["nasbench201"](**skeleton)
    c, n, k = space.channels, space.cells, space.classes
    image, side, _ = space.input_shape
    rng = random.Random(0)
    for _ in range(25):
        arch = space.sample(rng)
        cost = graph_cost(arch.graph())
        assert cost.params == closed_form(arch.values, c, n, k, image)
        assert cost.macs == closed_form_macs(arch.values, c, n, k, image, side)


def test_the_resnet_cell(space):
    """559,386 params and 78.56M MACs (NAS-Bench-201)."""
    cost = graph_cost(space.parse(RESNET).graph())
    assert cost.params == 559_386
    assert round(cost.macs / 1e6, 2) == 78.56


def test_only_28_parameter_counts(cells):
    """One per pair (number of 1x1, number of 3x3) with at most six convolutions."""
    kinds = {(a.values.count(CONV1), a.values.count(CONV3)): a for a in cells}
    assert len(kinds) == len({graph_cost(a.graph()).params for a in kinds.values()}) == 28


def compare_costs(rows, dataset, classes):
    """Params and MACs as the benchmark's own API reports them, cell by cell."""
    space = SPACES["nasbench201"](classes=classes)
    for row in rows.to_dict("records"):
        cost = graph_cost(space.parse(row["arch_str"]).graph())
        wanted = row[f"params_{dataset}"], round(row[f"flops_m_api_{dataset}"] * 1e6)
        assert (cost.params, cost.macs) == wanted, row["arch_str"]


@pytest.mark.parametrize(("dataset", "classes"), [("c10", 10), ("c100", 100)])
def test_costs_of_every_hundredth_row_of_the_table(table, dataset, classes):
    compare_costs(table[::100], dataset, classes)


@pytest.mark.slow
def test_costs_of_the_whole_table(table):
    compare_costs(table, "c10", 10)
    assert table.params_c10.nunique() == table.params_c100.nunique() == 28


def test_none_is_times_zero(tiny):
    graph = tiny.parse(RESNET).graph()
    zeros = [n.key for n in graph if isinstance(n.op, Zero)]
    assert zeros == [f"stage{s}/cell0/{e}/none/zero" for s in (1, 2, 3) for e in ("0->2", "1->3")]


def test_24_neighbours_each_one_edge_away(tiny):
    arch = tiny.sample(random.Random(3))
    near = list(tiny.neighbours(arch))
    assert len(near) == len(set(near)) == 24
    assert all(changes(arch, n) == 1 for n in near)


def changes(one, other):
    return sum(a != b for a, b in zip(one.values, other.values, strict=True))


def test_mutation_changes_one_edge_and_reaches_every_neighbour(tiny):
    rng = random.Random(0)
    arch = tiny.sample(rng)
    mutants = [tiny.mutate(arch, rng) for _ in range(500)]
    assert all(changes(arch, m) == 1 for m in mutants)
    assert set(mutants) == set(tiny.neighbours(arch))


def test_crossover_takes_every_edge_from_a_parent(tiny):
    rng = random.Random(0)
    one = Architecture(tiny, (SKIP,) * 6)
    other = Architecture(tiny, (CONV3,) * 6)
    children = {tiny.crossover(one, other, rng).values for _ in range(1000)}
    assert len(children) == 2**6
    assert {v for values in children for v in values} == {SKIP, CONV3}


def test_one_hot_both_ways(tiny):
    for arch in [tiny.sample(random.Random(s)) for s in range(20)]:
        code = tiny.encode(arch)
        assert code == [int(o == v) for v in arch.values for o in OPS]
        assert tiny.decode(code) == arch
    soft = [0.1, 0.2, 0.9, 0.3, 0.0] * 6
    assert tiny.decode(soft).values == (CONV1,) * 6
    with pytest.raises(ArchitectureError, match="length 29"):
        tiny.decode([0.0] * 29)


def test_sampling_is_uniform(tiny):
    rng = random.Random(0)
    n = 2000
    drawn = [tiny.sample(rng).values for _ in range(n)]
    for edge in range(6):
        for option in OPS:
            share = sum(values[edge] == option for values in drawn) / n
            assert abs(share - 0.2) < 5 * (0.2 * 0.8 / n) ** 0.5


def test_values_must_be_of_the_space(tiny):
    with pytest.raises(ArchitectureError, match=r"'0->2' of nasbench201 cannot be 'conv'"):
        Architecture(tiny, (NONE, "conv", NONE, NONE, NONE, NONE))
    with pytest.raises(ArchitectureError, match="5 values for 6 decisions"):
        Architecture(tiny, (NONE,) * 5)
