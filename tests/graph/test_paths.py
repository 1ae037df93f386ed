from nascout.graph import Builder
from nascout.graph.ops import BatchNorm, Conv2d, Identity, ReLU, Zero
from nascout.graph.paths import find_paths
from nascout.space import SPACES


def keys(graph):
    return [(graph.nodes[p.node].key, p.layer, p.layers) for p in find_paths(graph)]


def start():
    g = Builder()
    return g, g.chain((Conv2d(4, 3), BatchNorm()), g.input((4, 8, 8)), key="stem")


def test_the_paths_of_the_darts_cell_are_its_operations_but_for_identities():
    space = SPACES["darts"](channels=4, cells=3, input_shape=(3, 8, 8))
    architecture = space.parse(space.known["darts_v2"])
    found = keys(architecture.graph())
    # Normal cell: 8 edges, two of them skips. Reduction: 8, three skips between its own nodes.
    per_layer = [sum(layer == k for _, layer, _ in found) for k in (1, 2, 3)]
    assert per_layer == [6, 5, 5]
    assert {layers for *_, layers in found} == {3}
    assert not any("input" in key or "even" in key or "odd" in key for key, *_ in found)


def test_a_skip_at_a_stride_is_a_path():
    """As in the released code, which spares identities only: here it is a convolution."""
    space = SPACES["darts"](channels=4, cells=3, input_shape=(3, 8, 8))
    text = space.known["darts_v2"].replace("('max_pool_3x3', 1)", "('skip_connect', 1)")
    found = [key for key, *_ in keys(space.parse(text).graph())]
    assert "cell1/1->2/skip_connect/batchnorm" in found


def test_the_shortcut_of_a_residual_block_is_none():
    g, x = start()
    inside = g.chain((Conv2d(4, 3), BatchNorm()), x, key="layer1/conv")
    x = g.add(x, inside, key="layer1/add")
    inside = g.chain((Conv2d(4, 3), BatchNorm()), x, key="layer2/conv")
    graph = g.graph(g.add(x, inside, key="layer2/add"))
    assert keys(graph) == [("layer1/conv/batchnorm", 1, 2), ("layer2/conv/batchnorm", 2, 2)]


def test_identities_zeros_and_shared_ends_are_none():
    g, x = start()
    skip = g.chain((Identity(),), x, key="cell/0->1/skip")
    none = g.chain((Zero(),), x, key="cell/0->1/none")
    shared = g.chain((ReLU(),), x, key="cell/0->1/relu")
    total = g.add(skip, none, shared, key="cell/1/add")
    graph = g.graph(g.add(total, shared, key="cell/2/add"))
    assert keys(graph) == []


def test_what_a_concatenation_of_paths_reads_are_paths_and_of_sums_are_none():
    g, x = start()
    ends = [g.chain((Conv2d(4, k),), x, key=f"cell/0->1/conv{k}") for k in (1, 3)]
    first = g.concat(*ends, key="cell/1/concat")
    end = g.chain((Conv2d(8, 1),), x, key="cell/0->2/conv")
    total = g.add(first, end, key="cell/2/add")
    graph = g.graph(g.concat(first, total, key="cell/concat"))
    assert [key for key, *_ in keys(graph)] == [
        "cell/0->1/conv1/conv2d", "cell/0->1/conv3/conv2d", "cell/0->2/conv/conv2d",
    ]  # fmt: skip


def test_an_output_is_read_by_its_user():
    g, x = start()
    end = g.chain((Conv2d(4, 3),), x, key="cell/0->1/conv")
    total = g.add(x, end, key="cell/1/add")
    assert keys(g.graph(total, end)) == []
