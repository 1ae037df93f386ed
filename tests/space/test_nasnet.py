"""NASNet: its published counts, what it concatenates, its notation."""

import pytest

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import graph_cost
from nascout.space import SPACES

MOBILE = {
    "channels": 44,
    "cells": 4,
    "stem_multiplier": 1,
    "imagenet_stem": True,
    "classes": 1000,
    "input_shape": (3, 224, 224),
}
LARGE = MOBILE | {
    "channels": 168,
    "cells": 6,
    "stem_multiplier": 3,
    "input_shape": (3, 331, 331),
}


def nasnet_a(**sizes):
    space = SPACES["nasnet"](**sizes)
    return space.parse(space.known["nasnet_a"])


@pytest.mark.parametrize(
    ("sizes", "label", "params", "macs"),
    [({}, "6 @ 768", 3.3, None), (MOBILE, "4 @ 1056", 5.3, 564), (LARGE, "6 @ 4032", 88.8, 23_783)],
)
def test_published_counts(sizes, label, params, macs):
    """Tables 1 to 3 of the paper, in millions.

    It gives 6 @ 4032 as 88.9, with the normalisations' averages, and 23.8 billion.
    """
    arch = nasnet_a(**sizes)
    cost = graph_cost(arch.graph())
    assert arch.space.label(arch) == label
    assert round(cost.params / 1e6, 1) == params
    assert macs is None or round(cost.macs / 1e6) == macs


@pytest.mark.parametrize(
    ("sizes", "params", "averages"),
    [(MOBILE, 5_289_978, 36_738), (LARGE, 88_753_150, 196_668)],
)
def test_parameters_of_the_networks_in_keras(sizes, params, averages):
    """Trainable and other parameters of NASNetMobile and NASNetLarge as Keras sums them up."""
    graph = nasnet_a(**sizes).graph()
    assert graph_cost(graph).params == params
    found = sum(
        2 * s.channels
        for node, s in zip(graph, graph.shapes, strict=True)
        if type(node.op).__name__ == "BatchNorm"
    )
    assert found == averages


def test_size():
    """Two states and two operations for each of five blocks, add or concatenate, two cells."""
    states = 2 * 3 * 4 * 5 * 6
    assert SPACES["nasnet"]().size == (states**2 * 13**10 * 2**5) ** 2
    assert len(SPACES["nasnet"]().decisions) == 10 * 5


@pytest.mark.parametrize(
    ("concat", "normal", "reduce"),
    [
        ("released", [0, 2, 3, 4, 5, 6], [3, 4, 5, 6]),
        ("loose_ends", [2, 3, 4, 5, 6], [4, 5, 6]),
        ("all", [2, 3, 4, 5, 6], [2, 3, 4, 5, 6]),
    ],
)
def test_what_is_concatenated(concat, normal, reduce):
    arch = nasnet_a(concat=concat)
    cells = arch.space.genotype(arch)
    assert list(cells["normal"].concat) == normal
    assert list(cells["reduce"].concat) == reduce
    assert f"normal_concat={normal}" in str(arch)
    assert arch.space.parse(str(arch)) == arch
    with pytest.raises(ArchitectureError, match="a normal cell of 10 pairs that concatenates"):
        arch.space.parse(str(arch).replace(f"normal_concat={normal}", "normal_concat=[6]"))


def test_blocks_that_concatenate():
    """Two blocks. Doubled channels enter a pool and an identity, which then need a 1x1."""
    space = SPACES["nasnet"](channels=2, cells=1, blocks=2, concat="loose_ends", classes=3)
    pairs = [("conv_1x1", 0), ("conv_1x1", 1), ("avg_pool_3x3", 2), ("skip_connect", 2)]
    texts = [
        f"Genotype(normal={pairs}, normal_combine={combines}, reduce={pairs})"
        for combines in (["add", "add"], ["concat", "add"], ["concat", "concat"])
    ]
    one, two, three = (space.parse(text) for text in texts)
    assert [str(a).count("_combine") for a in (one, two, three)] == [0, 1, 1]
    assert [space.parse(str(a)) for a in (one, two, three)] == [one, two, three]
    added, joined, both = (graph_cost(a.graph()).params for a in (one, two, three))
    assert joined - added == sum(2 * (2 * c * c + 2 * c) for c in (2, 4, 8))
    # Twice the channels leave the normal cells: each has two readers, the last the classifier.
    assert both - joined == 2 * (2 * 4) + 2 * (4 * 8) + 8 * 3
    assert space.label(three) == "1 @ 16"


def test_combines_that_do_not_fit():
    space = SPACES["nasnet"](blocks=1)
    pairs = [("conv_1x1", 0), ("conv_1x1", 1)]
    with pytest.raises(ArchitectureError, match="two to a block"):
        space.from_genotype({"normal": pairs, "normal_combine": ["add"] * 2, "reduce": pairs})
    with pytest.raises(ArchitectureError, match="'normal2_combine' of nasnet cannot be 'sum'"):
        space.from_genotype({"normal": pairs, "normal_combine": ["sum"], "reduce": pairs})


def test_an_unknown_rule():
    with pytest.raises(ConfigError, match="Choose one of released, loose_ends, all"):
        SPACES["nasnet"](concat="none")


def test_auxiliary_head_stands_before_the_second_reduction():
    graph = nasnet_a(auxiliary=True).graph()
    (pool,) = (i for i, n in enumerate(graph) if n.key == "auxiliary/pool/avgpool")
    (relu,) = graph.nodes[pool].inputs
    assert graph.nodes[graph.nodes[relu].inputs[0]].key == "cell12/concat"
    assert graph.shapes[pool] == (6 * 64, 4, 4)
    assert [graph.shapes[out] for out in graph.outputs] == [(10,), (10,)]
