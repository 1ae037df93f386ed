"""The maps that a detector reads: which they are in each family of networks, and their strides."""

import random

import pytest

from nascout.errors import GraphError
from nascout.graph import Builder
from nascout.graph.features import feature_graph, find_features
from nascout.graph.ops import AvgPool, Conv2d, DepthwiseConv2d, GlobalAvgPool, Linear, ReLU
from nascout.space import SPACES
from nascout.space.recurrent import RecurrentSpace


def found(graph):
    """Key, channels and stride of every feature."""
    return [(graph.nodes[f.node].key, f.channels, f.stride) for f in find_features(graph)]


def sampled(name, **skeleton):
    space = SPACES[name](**skeleton)
    return space.sample(random.Random(0)).graph()


def test_stages_end_before_the_residual_reduction():
    assert found(sampled("nasbench201", channels=4, cells=2)) == [
        ("stage1/cell1/3/sum", 4, 1),
        ("stage2/cell1/3/sum", 8, 2),
        ("stage3/cell1/3/sum", 16, 4),
    ]


def test_cells_of_two_inputs_before_the_reduction_cells():
    """Of 20 cells, 6 and 13 reduce; a cell has four times its operations' channels."""
    graph = sampled("darts", channels=4)
    assert found(graph) == [
        ("cell5/concat", 16, 1),
        ("cell12/concat", 32, 2),
        ("cell19/concat", 64, 4),
    ]


def test_stems_for_large_images():
    """DARTS hands on a quarter; of 14 cells, 4 and 9 reduce. NASNet's stem has two cells."""
    large = {"imagenet_stem": True, "input_shape": (3, 224, 224), "auxiliary": True}
    assert found(sampled("darts", channels=4, cells=14, **large)) == [
        ("stem0/batchnorm2", 4, 4),
        ("cell3/concat", 16, 8),
        ("cell8/concat", 32, 16),
        ("cell13/concat", 64, 32),
    ]
    keys, _, strides = zip(*found(sampled("nasnet", channels=4, cells=1, **large)), strict=True)
    assert strides == (4, 8, 16, 32)
    assert keys[0] == "stem/cell4/concat"


def test_inverted_residual_blocks_give_their_narrow_end():
    """The widths of the released network's stages, not of what blocks expand them to."""
    space = SPACES["proxylessnas"](backbone="gpu", input_shape=(3, 64, 64))
    features = found(space.parse(space.known["proxyless_gpu"]).graph())
    assert [stride for _, _, stride in features] == [2, 4, 8, 16, 32]
    assert [channels for _, channels, _ in features] == [24, 32, 56, 128, 432]


@pytest.mark.parametrize(
    "name", sorted(name for name in SPACES if not issubclass(SPACES[name], RecurrentSpace))
)
def test_every_space_of_images_has_features(name):
    graph = sampled(name)
    features = find_features(graph)
    _, height, width = graph.shapes[graph.inputs[0]]
    strides = [f.stride for f in features]
    assert strides == sorted(set(strides))
    for feature in features:
        shape = graph.shapes[feature.node]
        assert shape == (feature.channels, height // feature.stride, width // feature.stride)
    outputs = feature_graph(graph)
    assert [outputs.nodes[o].key for o in outputs.outputs] == [key for key, _, _ in found(graph)]
    assert {node.key for node in outputs} < {node.key for node in graph}


def test_what_a_part_makes_for_itself_is_no_feature():
    g = Builder()
    x = g.chain((Conv2d(4, 3),), g.input((3, 8, 8)), key="stem")
    y = g.chain((Conv2d(24, 1), ReLU(), DepthwiseConv2d(3, 2), Conv2d(6, 1)), x, key="block")
    head = g.chain((Conv2d(9, 1), GlobalAvgPool(), Linear(2)), y, key="head")
    pooled = g.node(AvgPool(2, 2), y, key="auxiliary/pool")
    aside = g.chain((GlobalAvgPool(), Linear(2)), pooled, key="auxiliary_head")
    assert found(g.graph(head, aside)) == [("stem/conv2d", 4, 1), ("block/conv2d2", 6, 2)]
    assert found(g.graph(aside))[2:] == [("auxiliary/pool", 6, 4)]


def test_an_output_that_is_a_map_is_the_last_feature():
    g = Builder()
    x = g.node(Conv2d(4, 3), g.input((3, 9, 8)), key="a")
    y = g.node(Conv2d(5, 3, (1, 2)), x, key="b")
    graph = g.graph(g.node(ReLU(), g.node(Conv2d(6, 3, 2), y, key="c"), key="d"))
    # 9 rows at stride 2 are 5, and 8 columns at stride 4 are 2.
    assert found(graph) == [("a", 4, 1), ("b", 5, (1, 2)), ("d", 6, (2, 4))]
    assert graph.shapes[-1] == (6, 5, 2)


def test_a_network_without_parts_is_refused():
    g = Builder()
    x = g.chain((Conv2d(4, 3), GlobalAvgPool(), Linear(2)), g.input((3, 8, 8)), key="net")
    with pytest.raises(GraphError, match="no features"):
        find_features(g.graph(x))
