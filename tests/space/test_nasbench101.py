"""NAS-Bench-101 against its records, EC-NAS-Bench's table and its network written by hand."""

import json
import random

import pytest
import torch
from torch.nn import functional as F

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import graph_cost
from nascout.network import build
from nascout.space import SPACES, Architecture

CONV3, CONV1, POOL = OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
TEXT = f"{CONV3}:0|{CONV1}:01|{POOL}:2|output:03"
#: Record ff92d98b... of the benchmark: 12,088,970 params.
RECORD = f"{POOL}:0|{POOL}:1|{POOL}:2|{CONV3}:3|{CONV1}:124|output:05"


@pytest.fixture(scope="module")
def space():
    return SPACES["nasbench101"]()


@pytest.fixture(scope="module")
def small():
    space = SPACES["nasbench101"](channels=8, cells=2, classes=3, input_shape=(3, 9, 10))
    # The first network and the first comparison import much of torch; that is no test's time.
    net, x = build(space.parse("output:0")), torch.zeros(2, *space.input_shape)
    torch.testing.assert_close(net(x), net(x))
    return space


def test_notation_both_ways(space):
    arch = space.parse(f" {TEXT}\n")
    joined = {name for name, value in arch.choices.items() if value == "yes"}
    assert joined == {"0->1", "0->2", "1->2", "2->3", "0->6", "3->6"}
    assert [arch.choices[f"op{v}"] for v in range(1, 6)] == [CONV3, CONV1, POOL, CONV3, CONV3]
    assert str(arch) == TEXT
    assert (space.cell(arch).ops, space.cell(arch).edges) == (OPS, 6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "output",
        TEXT.replace("output", "end"),
        TEXT.replace(":2", ":3"),
        TEXT.replace(":01", ":10"),
        TEXT.replace(":01", ":00"),
        TEXT.replace(":01", ":0,1"),
        TEXT.replace("|", "/"),
        TEXT.replace(f"{POOL}:2", POOL),
    ],
)
def test_malformed_text_says_what_to_write(space, text):
    with pytest.raises(ArchitectureError, match="Write it like conv3x3-bn-relu:0"):
        space.parse(text)


def test_what_is_no_cell_of_the_space_says_why(space):
    nine = "|".join(f"{POOL}:{sources}" for sources in ("0", "01", "012"))
    assert str(space.parse(f"{nine}|output:123")) == f"{nine}|output:123"
    for text, words in [
        (f"{nine}|output:0123", "has 10 edges"),
        (f"{CONV3}:0|output:", "no path leads"),
        (f"{CONV3}:|output:1", "no path leads"),
        (TEXT.replace(POOL, "conv5x5"), "cannot be 'conv5x5'"),
        ("|".join([f"{POOL}:0"] * 6 + ["output:6"]), "2 to 7 rows"),
    ]:
        with pytest.raises(ArchitectureError, match=words):
            space.parse(text)


def test_matrices_that_are_none(space):
    for matrix, ops in [
        ([[0, 1], [0]], ["input", "output"]),
        ([[0, 1], [1, 0]], ["input", "output"]),
        ([[1, 1], [0, 0]], ["input", "output"]),
        ([[0, 1], [0, 0]], ["input", CONV1, "output"]),
        ([], []),
    ]:
        with pytest.raises(ArchitectureError, match="is no cell"):
            space.from_matrix(matrix, ops)
    with pytest.raises(ArchitectureError, match="'op1' of nasbench101 cannot be '7'"):
        space.from_matrix([[0, 1, 0], [0, 0, 1], [0, 0, 0]], [-1, 7, -2])


def test_names_and_numbers_are_one(space):
    matrix = [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    for number, name in enumerate(OPS):
        made = space.from_matrix(matrix, [-1, number, -2])
        assert made == space.from_matrix(matrix, ["input", name, "output"])
        assert str(made) == f"{name}:0|output:1"


def test_unused_vertices_are_kept_in_writing_and_cost_nothing(space):
    plain, with_more = space.parse(TEXT), space.parse(TEXT.replace("|output", f"|{POOL}:2|output"))
    assert str(with_more) != str(plain)
    assert with_more.graph() == plain.graph()
    assert space.hash(with_more) == space.hash(plain)


def test_a_published_record(space):
    arch = space.parse(RECORD)
    assert space.hash(arch) == "ff92d98b0ef588152b657bd10d624946"
    assert graph_cost(arch.graph()).params == 12_088_970


def test_records(space, shared_data):
    records = json.loads((shared_data / "nasbench101_records.json").read_text())
    for name, record in records.items():
        arch = space.from_matrix(record["module_adjacency"], record["module_operations"])
        assert space.parse(str(arch)) == arch
        found = space.hash(arch), graph_cost(arch.graph()).params
        assert found == (name, record["trainable_parameters"])


def compare(space, rows):
    for row in rows.itertuples():
        arch = space.from_matrix(json.loads(row.matrix), json.loads(row.op_labels))
        found = space.hash(arch), graph_cost(arch.graph()).params
        assert found == (row.hash, row.params), str(arch)


@pytest.fixture(scope="module")
def table(shared_data):
    import pandas as pd

    return pd.read_parquet(shared_data / "nasbench101_small.parquet")


def test_every_fiftieth_small_graph(space, table):
    compare(space, table[::50])


@pytest.mark.slow
def test_every_small_graph(space, table):
    compare(space, table)


@pytest.mark.slow
def test_size(space):
    """All 2^21 choices of edges at once: reachable from both ends, one to nine edges left."""
    import numpy as np

    pairs = [(i, j) for j in range(7) for i in range(j)]
    numbers = np.arange(2**21)
    edge = {pair: numbers >> n & 1 == 1 for n, pair in enumerate(pairs)}
    ahead, behind = np.zeros((2, 7, len(numbers)), dtype=bool)
    ahead[0] = behind[6] = True
    for i, j in pairs:
        ahead[j] |= ahead[i] & edge[i, j]
    for i, j in sorted(pairs, reverse=True):
        behind[i] |= behind[j] & edge[i, j]
    live = sum((edge[i, j] & ahead[i] & behind[j]).astype(int) for i, j in pairs)
    assert space.size == int(((live > 0) & (live <= 9)).sum()) * 3**5


def test_samples_and_mutants_are_valid_and_differ(space):
    rng = random.Random(0)
    for _ in range(50):
        arch = space.sample(rng)
        child = space.mutate(arch, rng)
        assert sum(a != b for a, b in zip(arch.values, child.values, strict=True)) == 1
        assert all(1 <= space.cell(a).edges <= 9 for a in (arch, child))


def test_too_few_channels_to_divide():
    with pytest.raises(ConfigError, match="Give at least 5"):
        SPACES["nasbench101"](channels=4)


def conv_bn_relu(state, key, x):
    weight = state[f"{key}.conv2d.weight"]
    y = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
    scale, shift = state[f"{key}.batchnorm.weight"], state[f"{key}.batchnorm.bias"]
    return F.relu(F.batch_norm(y, None, None, scale, shift, training=True))


def by_hand(state, x, sources, ops, cells):
    """Three stacks; channels are read off the weights, and what is too wide is cut."""
    y = conv_bn_relu(state, "stem", x)
    for stack in (1, 2, 3):
        y = F.max_pool2d(y, 2, ceil_mode=True) if stack > 1 else y
        for cell in range(cells):
            key = f"stack{stack}.cell{cell}"
            y = cell_by_hand(state, key, y, sources, ops)
    return F.linear(y.mean((2, 3)), state["head.linear.weight"], state["head.linear.bias"])


def cell_by_hand(state, key, x, sources, ops):
    """Inner fan-in is added, projections of the input included; the output concatenates."""
    values = [x]
    for v, (op, read) in enumerate(zip(ops, sources, strict=False), 1):
        terms = [values[i] for i in read if i]
        if 0 in read:
            terms.append(conv_bn_relu(state, f"{key}.0->{v}.projection", x))
        if op == POOL:
            values.append(F.max_pool2d(sum(terms), 3, 1, 1))
        else:
            narrow = state[f"{key}.{v}.{op}.conv2d.weight"].shape[1]
            total = sum(term[:, :narrow] for term in terms)
            values.append(conv_bn_relu(state, f"{key}.{v}.{op}", total))
    y = torch.cat([values[i] for i in sources[-1] if i], 1)
    if 0 in sources[-1]:
        y = y + conv_bn_relu(state, f"{key}.0->{len(sources)}.projection", x)
    return y


@pytest.mark.parametrize(
    ("text", "cuts"),
    [
        (RECORD, False),
        # Three vertices share 8 channels: 3, 3 and 2, so the third reads cut values.
        (f"{CONV3}:0|{CONV1}:01|{CONV3}:12|output:0123", True),
        (f"{CONV3}:0|{CONV1}:1|{CONV3}:1|{CONV1}:1|output:234", True),
    ],
)
def test_the_network_is_the_one_written_by_hand(small, text, cuts):
    arch = small.parse(text)
    net = build(arch).double()
    x = torch.randn(3, *small.input_shape, generator=torch.Generator().manual_seed(0)).double()
    parts = [part.split(":") for part in text.split("|")]
    sources = [[int(i) for i in given] for _, given in parts]
    state = dict(net.named_parameters())
    ops = [name for name, _ in parts[:-1]]
    torch.testing.assert_close(net(x), by_hand(state, x, sources, ops, small.cells))
    assert any(node.op.label == "truncate" for node in arch.graph()) == cuts


def test_a_projection_alone(small):
    """The cell of two vertices is one 1x1 convolution."""
    arch = small.parse("output:0")
    c, cost = 8, graph_cost(arch.graph())
    widths = [(c, c), (c, c), (c, 2 * c), (2 * c, 2 * c), (2 * c, 4 * c), (4 * c, 4 * c)]
    cells = sum(a * b + 2 * b for a, b in widths)
    assert cost.params == 27 * c + 2 * c + cells + 4 * c * 3 + 3


def test_values_that_make_no_cell_are_refused(small):
    values = ("no",) * 21 + (CONV3,) * 5
    with pytest.raises(ArchitectureError, match="no path leads"):
        Architecture(small, values)
