"""The function digest: what a fresh network does, and nothing else."""

import itertools
import random
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascout.graph import Builder, Graph, digest, ops
from nascout.graph.function import function_digest, function_form
from nascout.graph.ops import Add, BatchNorm, Concat, Conv2d, DepthwiseConv2d, Identity, ReLU, Zero
from nascout.space import SPACES
from nascout.space.nasbench201 import EDGES, OPS, operation
from nascout.testing.rewritten import rewritten

CONV = Conv2d(2, 1)


def distinct_convolutions(graph):
    """The same graph; every convolution has a label of its own, as every one has weights."""
    nodes = [
        node._replace(op=Conv2d(2, 1, dilation=i + 1)) if isinstance(node.op, Conv2d) else node
        for i, node in enumerate(graph)
    ]
    return Graph(tuple(nodes), graph.outputs)


def evaluate(op, xs):
    """On one pixel; weights are a function of the operation, and normalisations do not shift."""
    if isinstance(op, ops.Input):
        return np.random.default_rng(0).normal(size=op.dims[0])
    if isinstance(op, Conv2d):
        return np.random.default_rng(op.dilation).normal(size=(op.out, len(xs[0]))) @ xs[0]
    simple = {
        BatchNorm: lambda: 3 * xs[0],
        Zero: lambda: 0 * xs[0],
        Identity: lambda: xs[0],
        ReLU: lambda: np.maximum(xs[0], 0),
        Add: lambda: sum(xs),
        Concat: lambda: np.concatenate(xs),
    }
    return simple[type(op)]()


def meaning(label, xs):
    """The value of a vertex."""
    first, *rest = label.split()
    if first == "zero":
        return np.zeros(int(rest[0].split("×")[0]))
    if rest == ["times"]:
        return int(first) * xs[0]
    return evaluate(eval(label.rsplit(" ", 1)[0] if first[:5] == "Input" else label, vars(ops)), xs)


def in_order(vectors):
    return sorted(tuple(vector.round(9)) for vector in vectors)


@given(st.integers(0, 10**6))
def test_outputs_and_what_nonlinearities_read_are_kept(small_graph, seed):
    graph = distinct_convolutions(small_graph(seed, nodes=14))
    values = []
    for node in graph:
        values.append(evaluate(node.op, [values[i] for i in node.inputs]))
    vertices, outputs = function_form(graph)
    found = []
    for vertex in vertices:
        found.append(meaning(vertex.label, [found[i] for i in vertex.inputs]))
    for here, there in zip(graph.outputs, outputs, strict=True):
        np.testing.assert_allclose(found[there], values[here], rtol=1e-9, atol=1e-12)
    read = [
        values[node.inputs[0]]
        for node, live in zip(graph, graph.live, strict=True)
        if live and isinstance(node.op, ReLU)
    ]
    kept = [found[v.inputs[0]] for v in vertices if v.label == repr(ReLU())]
    assert in_order(kept) == in_order(read)


@pytest.mark.parametrize("name", ["nasbench101", "nasbench201", "darts", "freeform", "mnasnet"])
def test_what_does_nothing_and_nested_sums_do_not_count(name):
    graph = SPACES[name]().sample(random.Random(1)).graph()
    other = rewritten(graph)
    assert len(other) > len(graph) and digest(other) != digest(graph)
    assert function_digest(other) == function_digest(graph)


def sum_of(*branches):
    """A sum of chains that all read the input."""
    g = Builder()
    x = g.input((2, 4, 4))
    ends = [g.chain(b, x, key=f"b{i}") for i, b in enumerate(branches)]
    return function_digest(g.graph(g.add(*ends, key="sum")))


NOTHING = [
    (Zero(), CONV),
    (CONV, Zero()),
    (Zero(), CONV, BatchNorm()),
    (CONV, CONV, Zero(), DepthwiseConv2d(3), BatchNorm(affine=False)),
]


@pytest.mark.parametrize("branch", NOTHING)
def test_what_gives_zeros_is_dropped(branch):
    assert sum_of((CONV,), branch) == sum_of((CONV,))


SOMETHING = [
    (Zero(), Conv2d(2, 1, bias=True)),  # gives its bias
    (ReLU(), Zero()),  # what a ReLU reads counts
    (Zero(), ReLU()),
    (Zero(), ReLU(), Zero(), ReLU()),
    (ReLU(), Zero(), ReLU()),
    (CONV, ReLU(), Zero()),
]


def test_what_is_read_by_a_nonlinearity_counts():
    found = [sum_of((CONV,), branch) for branch in SOMETHING]
    assert len({sum_of((CONV,)), *found}) == 1 + len(SOMETHING)
    assert sum_of((CONV,), (ReLU(), CONV, Zero())) == sum_of((CONV,), (ReLU(), Zero()))


def test_every_nonlinearity_counts_that_is_part_of_the_network():
    def shared(*readers):
        g = Builder()
        x = g.input((2, 4, 4))
        relus = [g.node(ReLU(), x, key=f"r{i}") for i in range(1 + max(readers))]
        g.node(ReLU(), x, key="unread")
        return function_digest(g.graph(g.add(*(relus[i] for i in readers), key="sum")))

    assert len({shared(0), shared(0, 0), shared(0, 1)}) == 3


def sums(*written, terms=3):
    """Sums of earlier ones: letters are convolutions, digits are sums; the last is the output."""
    g = Builder()
    x = g.input((2, 4, 4))
    made = {letter: g.node(CONV, x, key=letter) for letter in "abc"[:terms]}
    for i, text in enumerate(written):
        made[str(i)] = g.node(Add(), *(made[one] for one in text), key=f"s{i}")
    return g, made


def digest_of_sums(*written):
    g, made = sums(*written)
    return function_digest(g.graph(made[str(len(written) - 1)]))


def test_sums_of_sums_are_one_sum():
    flat = digest_of_sums("abc")
    assert flat == digest_of_sums("ab", "0c") == digest_of_sums("bc", "a0")
    assert flat == digest_of_sums("b", "0ac")
    assert digest_of_sums("ab", "00c") == digest_of_sums("aabbc")


def test_how_often_a_term_is_there_counts():
    different = ("ab", "aab", "aabb", "abc", "a", "aa", "aaa")
    assert len(set(map(digest_of_sums, different))) == len(different)
    # Up to a name: convolutions are alike until they are read differently.
    assert digest_of_sums("aab") == digest_of_sums("abb")


def test_an_inner_sum_may_have_other_readers():
    def read(*written):
        g, made = sums(*written)
        first = g.node(ReLU(), made["0"], key="relu")
        return function_digest(g.graph(first, made[str(len(written) - 1)]))

    assert read("ab", "0c") == read("ab", "abc") != read("bc", "0c")


def test_a_sum_doubled_often_is_quick():
    twice = ["a" * 2, *(f"{i}{i}" for i in range(9))]
    graphs = []
    for written in (twice, ["a" * 2**10]):
        g, made = sums(*written, terms=1)
        graphs.append(g.graph(made[str(len(written) - 1)]))
    assert function_digest(graphs[0]) == function_digest(graphs[1])
    g = Builder()
    x = g.input((2, 4, 4))
    for i in range(300):
        x = g.node(Add(), x, x, key=f"s{i}")
    vertices, _ = function_form(g.graph(x))
    assert [v.label for v in vertices[1:]] == [f"{2**300} times"]


def cell(values):
    """One cell of NAS-Bench-201 without a network around it."""
    g = Builder()
    nodes = [g.input((2, 4, 4))]
    for j in (1, 2, 3):
        ends = [
            g.chain(operation(value, 2), nodes[i], key=f"{i}-{j}")
            for (i, target), value in zip(EDGES, values, strict=True)
            if target == j
        ]
        nodes.append(g.add(*ends, key=str(j)))
    return g.graph(nodes[3])


def text(values, names):
    """The output of a cell as text, and what its convolutions' ReLUs read; names tell these apart.

    A node is a sum of terms with how often each is there; zeros are the empty sum.
    """
    nodes, read = [Counter(["x"])], []
    for j in (1, 2, 3):
        terms = Counter()
        for (i, target), value, name in zip(EDGES, values, names, strict=True):
            if target != j or value == "none":
                continue
            source = "+".join(f"{k}{term}" for term, k in sorted(nodes[i].items()))
            if value.startswith("nor_conv"):
                read.append(source)
            if value == "skip_connect":
                terms.update(nodes[i])
            elif source:
                terms[f"{value}{name}({source})"] += 1
        nodes.append(terms)
    return sorted(nodes[3].items()), sorted(read)


def by_hand(values):
    """Equal for cells that are equal up to the names of convolutions: the least text of all."""
    kinds = ("nor_conv_1x1", "nor_conv_3x3")
    edges = [[e for e, value in enumerate(values) if value == kind] for kind in kinds]
    found = []
    for orders in itertools.product(*(itertools.permutations(range(len(e))) for e in edges)):
        names = dict(zip(itertools.chain(*edges), itertools.chain(*orders), strict=True))
        found.append(text(values, [names.get(e, "") for e in range(6)]))
    return min(found)


@pytest.mark.slow
def test_the_whole_of_nasbench201_by_hand():
    """One digest for one text, and the other way round; and the counts of the docstring."""
    texts = defaultdict(set)
    outputs, unnamed = set(), set()
    for values in itertools.product(OPS, repeat=6):
        least = by_hand(values)
        texts[function_digest(cell(values))].add(str(least))
        outputs.add(str(least[0]))
        unnamed.add(str(text(values, [""] * 6)[0]))
    assert all(len(found) == 1 for found in texts.values())
    assert len(set().union(*texts.values())) == len(texts) == 5618
    assert (len(outputs), len(unnamed)) == (5260, 4930)
