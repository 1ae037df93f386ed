"""The digest: equal exactly for isomorphic graphs, in any order and in any process.

networkx decides isomorphism, of the simplified graphs.
"""

import itertools
import os
import random
import subprocess
import sys
from collections import defaultdict

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascout.graph import Builder, Graph, Node, digest
from nascout.graph.canonical import simplify
from nascout.graph.ops import Add, Conv2d, ReLU

CONV = Conv2d(2, 1)


def reordered(graph, rng):
    """The same network: nodes in another topological order, sums permuted, keys renamed."""
    net = nx.DiGraph()
    net.add_nodes_from(range(len(graph)))
    net.add_edges_from((s, i) for i, node in enumerate(graph) for s in node.inputs)
    rank = [rng.random() for _ in graph.nodes]
    # The inputs of a network are an ordered list, so they stay in order.
    order = list(graph.inputs) + [
        i
        for i in nx.lexicographical_topological_sort(net, key=lambda i: rank[i])
        if i not in graph.inputs
    ]
    place = {old: new for new, old in enumerate(order)}
    nodes = []
    for old in order:
        node = graph.nodes[old]
        inputs = [place[s] for s in node.inputs]
        if isinstance(node.op, Add):
            rng.shuffle(inputs)
        nodes.append(Node(node.op, tuple(inputs), f"key{rng.random()}"))
    return Graph(tuple(nodes), tuple(place[o] for o in graph.outputs))


def as_networkx(graph):
    vertices, outputs = simplify(graph)
    net = nx.MultiDiGraph()
    for i, vertex in enumerate(vertices):
        net.add_node(i, label=vertex.label)
        for place, source in enumerate(vertex.inputs):
            net.add_edge(source, i, place=0 if vertex.commutative else place)
    for place, out in enumerate(outputs):
        net.add_node(f"output {place}", label=f"output {place}")
        net.add_edge(out, f"output {place}", place=0)
    return net


def isomorphic(one, other):
    return nx.is_isomorphic(
        one,
        other,
        node_match=lambda a, b: a["label"] == b["label"],
        edge_match=lambda a, b: (
            sorted(e["place"] for e in a.values()) == sorted(e["place"] for e in b.values())
        ),
    )


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_order_keys_and_terms_do_not_count(small_graph, seed, shuffle):
    graph = small_graph(seed, nodes=12)
    assert digest(reordered(graph, random.Random(shuffle))) == digest(graph)


@pytest.mark.parametrize("seed", range(5))
def test_equal_digests_exactly_for_isomorphic_graphs(small_graph, seed):
    graphs = [small_graph(seed * 1000 + i, nodes=5) for i in range(120)]
    buckets = defaultdict(list)
    for graph in graphs:
        net = as_networkx(graph)
        labels = tuple(sorted(label for _, label in net.nodes(data="label")))
        buckets[labels].append((net, digest(graph)))
    pairs = agreeing = 0
    for bucket in buckets.values():
        for (one, a), (other, b) in itertools.combinations(bucket, 2):
            assert (a == b) == isomorphic(one, other)
            pairs += 1
            agreeing += a == b
    across = [{d for _, d in bucket} for bucket in buckets.values()]
    assert sum(map(len, across)) == len(set().union(*across))
    assert pairs > agreeing > 0


@pytest.mark.slow
def test_equal_digests_exactly_for_isomorphic_graphs_at_length(small_graph):
    buckets = defaultdict(dict)
    for seed in range(20_000):
        graph = small_graph(seed, nodes=9)
        net = as_networkx(graph)
        labels = tuple(sorted(label for _, label in net.nodes(data="label")))
        key = digest(graph)
        if key in buckets[labels]:
            assert isomorphic(net, buckets[labels][key])
        else:
            assert not any(isomorphic(net, other) for other in buckets[labels].values())
            buckets[labels][key] = net
    assert sum(map(len, buckets.values())) == len(set().union(*buckets.values()))


def bipartite(pairs):
    """Convolutions of the input; sums of pairs of them; the sum of the rectified sums."""
    g = Builder()
    x = g.input((2, 4, 4))
    tops = [g.node(CONV, x, key=f"a{i}") for i in range(1 + max(max(p) for p in pairs))]
    sums = [g.node(Add(), *(tops[i] for i in p), key=f"s{j}") for j, p in enumerate(pairs)]
    ends = [g.node(ReLU(), s, key=f"r{j}") for j, s in enumerate(sums)]
    return g.graph(g.node(Add(), *ends, key="out"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([(0, 1), (0, 1)], [(0, 0), (1, 1)]),
        (  # one ring of six, two rings of three: colour refinement alone sees no difference
            [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)],
            [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)],
        ),
        ([(0, 1), (1, 2), (2, 3), (3, 0)], [(0, 1), (0, 1), (2, 3), (2, 3)]),
    ],
)
def test_where_colour_refinement_is_blind(one, other):
    first, second = bipartite(one), bipartite(other)
    assert not isomorphic(as_networkx(first), as_networkx(second))
    assert digest(first) != digest(second)
    for seed in range(5):
        assert digest(reordered(first, random.Random(seed))) == digest(first)


def test_equal_halves_crossed_or_not():
    def halves(crossed):
        g = Builder()
        x = g.input((2, 4, 4))
        a, b = (g.node(CONV, x, key=k) for k in "ab")
        inner = [g.node(CONV, s, key=f"c{i}") for i, s in enumerate((a, a, b, b))]
        groups = ((0, 2), (1, 3)) if crossed else ((0, 1), (2, 3))
        sums = [g.node(Add(), *(inner[i] for i in p), key=f"s{p}") for p in groups]
        return g.graph(g.node(Add(), *(g.node(ReLU(), s, key=f"r{s}") for s in sums), key="out"))

    assert digest(halves(True)) != digest(halves(False))


def test_many_equal_branches_stay_quick():
    def wide(branches):
        g = Builder()
        x = g.input((2, 4, 4))
        ends = [g.chain((CONV, ReLU(), CONV), x, key=f"b{i}") for i in range(branches)]
        return g.graph(g.add(*ends, key="sum"))

    assert digest(wide(40)) == digest(reordered(wide(40), random.Random(0)))
    assert digest(wide(40)) != digest(wide(39))


def test_the_same_in_another_process(small_graph):
    graphs = [small_graph(seed) for seed in range(5)]
    code = (
        "import sys; from nascout.graph import Graph, digest\n"
        "print(*(digest(Graph.from_json(line)) for line in sys.stdin))"
    )
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input="\n".join(g.to_json() for g in graphs),
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == [digest(g) for g in graphs]
