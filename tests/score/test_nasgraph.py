"""NASGraph against the authors' code, simulation, counting by hand and networks of every make."""

import random
import zlib

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from nascout.errors import ConfigError, UnsupportedNetwork
from nascout.graph import Builder
from nascout.graph.ops import Conv2d
from nascout.network import build
from nascout.score.card import SCORES
from nascout.score.evaluate import evaluate
from nascout.score.nasgraph import nasgraph, surrogate, unit_graph
from nascout.score.unit_population import unit_graphs
from nascout.space import SPACES
from nascout.space.nasbench201 import EXAMPLE, NasBench201

EDGES = ["0->1", "0->2", "1->2", "0->3", "1->3", "2->3"]
MEASURES = {
    "nasgraph": "average degree",
    "nasgraph_density": "density",
    "nasgraph_edges": "num edges",
    "nasgraph_entropy": "entropy",
    "nasgraph_gini": "gini",
    "nasgraph_resilience": "resilience",
    "nasgraph_wedges": "wedge",
}
CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"


def layer_number(key):
    """The anchors' number of a convolution in the network of one cell per stage."""
    stage, place, *rest = key.split("/")
    if stage == "stem":
        return 1
    first = 2 + 9 * (int(stage.removeprefix("stage")) - 1)  # of the stage's cell
    if place == "reduction":
        return first - 3 + ["conv_a", "conv_b", "shortcut"].index(rest[0])
    return first + EDGES.index(rest[0])


def with_anchor_weights(text):
    net = build(NasBench201(cells=1).parse(text))
    for node, module in zip(net.graph, net.node_modules(), strict=True):
        if isinstance(module, nn.Conv2d):
            seed = zlib.crc32(f"nasgraph.{layer_number(node.key)}.weight".encode())
            drawn = np.random.RandomState(seed).standard_normal(module.weight.shape)
            module.weight.data = torch.from_numpy(drawn.astype(np.float32))
    return net


# --- the authors' code -------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(10))
def test_graph_and_measures_are_those_of_the_authors_code(anchor_scores, index):
    text, expected = list(anchor_scores("nasgraph").items())[index]
    props = expected["keyed"]["props"]
    net = with_anchor_weights(text)
    assert unit_graph(net, weights="own").nodes == props["num nodes"]
    for name, prop in MEASURES.items():
        value = SCORES[name].function(net, weights="own")
        assert value == pytest.approx(props[prop], rel=1e-12), name


def test_the_whole_network_has_as_many_nodes(anchor_scores):
    """Its weights are not known, so its edges agree up to chance."""
    expected = {t: s["full16_5cells_seed1"] for t, s in anchor_scores("nasgraph").items()}
    graphs = unit_graphs([NasBench201().parse(text).graph() for text in expected], memory=2**30)
    for full, graph in zip(expected.values(), graphs, strict=True):
        assert graph.nodes == full["nodes"]
        assert graph.edges == pytest.approx(full["edges"], rel=0.02)


@pytest.mark.slow
def test_the_published_rank_correlation(shared_data):
    """.78 on CIFAR-10, .80 on CIFAR-100; the standard error of 1000 cells is below .02."""
    pandas = pytest.importorskip("pandas")
    cells = pandas.read_parquet(shared_data / "nasbench201.parquet").sample(1000, random_state=0)
    space = NasBench201(cells=1)
    scores = evaluate([space.parse(text) for text in cells.arch_str], None, "nasgraph")
    values = [score.value for score in scores]
    assert spearmanr(values, cells.c10_test).statistic == pytest.approx(0.78, abs=0.05)
    assert spearmanr(values, cells.c100_test).statistic == pytest.approx(0.80, abs=0.05)


# --- the random weights ------------------------------------------------------------------------


def test_equal_layers_have_equal_weights_in_different_cells():
    """Only 2->3 differs, and both its operations read and give one layer: 3 more sets of edges."""
    space = NasBench201(channels=4, cells=1, input_shape=(3, 8, 8))
    skip = CELL.replace("nor_conv_3x3~2", "skip_connect~2")
    none = CELL.replace("nor_conv_3x3~2", "none~2")
    with_skip, with_none = (unit_graph(build(space.parse(text))) for text in (skip, none))
    # 0->2 is none and has units, 1->2 is a convolution: 2->3 keeps the channels of both.
    assert with_skip.edges - with_none.edges == 2 * (4 + 8 + 16)


def test_the_seed_and_the_kind_of_weights_matter():
    net = build(NasBench201(channels=4, cells=1, input_shape=(3, 8, 8)).parse(CELL))
    values = {nasgraph(net), nasgraph(net, seed=1), nasgraph(net, weights="own")}
    assert len(values) == 3
    with pytest.raises(ConfigError, match="weights='uniform'"):
        nasgraph(net, weights="uniform")


def test_initialisation_of_the_network_does_not_matter():
    space = NasBench201(channels=4, cells=1, input_shape=(3, 8, 8))
    assert nasgraph(build(space.parse(CELL), seed=0)) == nasgraph(build(space.parse(CELL), seed=1))


# --- the surrogate and the spaces --------------------------------------------------------------


def test_the_surrogate_is_the_same_cell_in_the_papers_skeleton():
    architecture = NasBench201(channels=8, cells=5, classes=3).parse(EXAMPLE)
    expected = NasBench201(channels=16, cells=1, classes=3).parse(EXAMPLE)
    assert surrogate(architecture) == expected
    assert surrogate(architecture, channels=4, cells=2).space.channels == 4


def test_a_space_without_cells_has_no_surrogate():
    with pytest.raises(ConfigError, match="freeform"):
        surrogate(SPACES["freeform"]().sample(random.Random(0)))


def test_free_form_networks_have_a_graph():
    space = SPACES["freeform"](channels=4, input_shape=(3, 8, 8))
    rng = random.Random(0)
    for _ in range(5):
        net = build(space.sample(rng))
        assert unit_graph(net).edges == unit_graph(net, simulate=True).edges


def test_an_op_without_a_meaning_is_named():
    class Unheard(Conv2d):
        pass

    g = Builder()
    x = g.node(Conv2d(2, 1), g.input((1, 4, 4)), key="known")
    net = build(g.graph(x))
    nodes = tuple(
        type(n)(Unheard(2, 1) if n.key == "known" else n.op, n.inputs, n.key) for n in net.graph
    )
    net.graph = type(net.graph)(nodes, net.graph.outputs)
    with pytest.raises(UnsupportedNetwork, match=r"the op Unheard .*reads_units"):
        nasgraph(net)
