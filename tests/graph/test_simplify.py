"""What counts in a digest and what does not, and that simplifying keeps the function.

An interpreter of this file's own runs a graph and what it was simplified to.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nascout.graph import OPS, Builder, Op, digest, graph_cost, op, ops
from nascout.graph.canonical import simplify
from nascout.graph.ops import Add, BatchNorm, Concat, Conv2d, Identity, ReLU, Zero

CONV = Conv2d(2, 1)


class Zeros:
    """What a "zero CxHxW" vertex is."""

    def __init__(self, channels):
        self.channels = channels


def run(steps, outputs):
    """Interpret ``(op, inputs)`` on one pixel; weights are drawn in the order the ops come."""
    rng = np.random.default_rng(0)
    values = []
    for step, inputs in steps:
        values.append(evaluate(step, [values[i] for i in inputs], rng))
    return [values[o] for o in outputs]


def evaluate(step, xs, rng):
    if isinstance(step, ops.Input):
        return rng.normal(size=step.dims[0])
    if isinstance(step, Zeros):
        return np.zeros(step.channels)
    if isinstance(step, Conv2d):
        return rng.normal(size=(step.out, len(xs[0]))) @ xs[0]
    if isinstance(step, BatchNorm):
        return rng.normal(size=len(xs[0])) * xs[0] + rng.normal(size=len(xs[0]))
    simple = {
        Zero: lambda: 0 * xs[0],
        Identity: lambda: xs[0],
        ReLU: lambda: np.maximum(xs[0], 0),
        Add: lambda: sum(xs),
        Concat: lambda: np.concatenate(xs),
    }
    return simple[type(step)]()


def meaning(label):
    """The op that a vertex's label stands for."""
    if label.startswith("zero"):
        return Zeros(int(label.split()[1].split("×")[0]))
    return eval(label.rsplit(" ", 1)[0] if label.startswith("Input") else label, vars(ops))


@given(st.integers(0, 10**6))
def test_simplifying_keeps_the_function(small_graph, seed):
    graph = small_graph(seed, nodes=12)
    vertices, outputs = simplify(graph)
    expected = run([(node.op, node.inputs) for node in graph], graph.outputs)
    found = run([(meaning(v.label), v.inputs) for v in vertices], outputs)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def sum_of(*branches):
    """A sum of chains that all read the input."""
    g = Builder()
    x = g.input((2, 4, 4))
    return g.graph(g.add(*(g.chain(b, x, key=f"b{i}") for i, b in enumerate(branches)), key="sum"))


def test_identities_and_added_zeros_do_not_count():
    plain = digest(sum_of((CONV,), (ReLU(),)))
    assert digest(sum_of((CONV, Identity()), (Identity(), ReLU()))) == plain
    assert digest(sum_of((CONV,), (Zero(),), (ReLU(),))) == plain
    assert digest(sum_of((CONV,), (ReLU(),), (Zero(), ReLU()))) == plain
    assert digest(sum_of((Zero(),), (CONV,))) == digest(sum_of((CONV,)))


def test_dead_weights_count():
    def with_unread(*chains):
        g = Builder()
        x = g.input((2, 4, 4))
        for i, chain in enumerate(chains):
            g.chain(chain, x, key=f"dead{i}")
        return digest(g.graph(g.node(ReLU(), x, key="out")))

    assert with_unread((ReLU(),), (Zero(), ReLU())) == with_unread()
    assert with_unread((CONV,)) != with_unread()
    assert with_unread((CONV,), (CONV,)) != with_unread((CONV,))
    assert with_unread((CONV, ReLU())) == with_unread((CONV,))
    assert with_unread((CONV, CONV)) != with_unread((CONV,), (CONV,))
    assert with_unread((ReLU(), CONV)) != with_unread((CONV,))


def test_a_convolution_of_nothing_counts():
    assert digest(sum_of((Zero(), CONV), (ReLU(),))) != digest(sum_of((ReLU(),)))
    assert digest(sum_of((Zero(), CONV), (ReLU(),))) != digest(sum_of((CONV,), (ReLU(),)))


def shared_or_not(op, shared):
    g = Builder()
    x = g.input((2, 4, 4))
    a = g.node(op, x, key="a")
    b = a if shared else g.node(op, x, key="b")
    return digest(g.graph(g.node(Add(), a, b, key="sum")))


def test_shared_and_repeated_differ_where_there_are_weights():
    assert shared_or_not(CONV, True) != shared_or_not(CONV, False)
    assert shared_or_not(ReLU(), True) == shared_or_not(ReLU(), False)


def test_order_counts_in_concat_and_among_outputs():
    def joined(join, *order):
        g = Builder()
        x = g.input((2, 4, 4))
        made = g.node(CONV, x, key="a"), g.node(ReLU(), x, key="b")
        return digest(g.graph(g.node(join, *(made[i] for i in order), key="join")))

    assert joined(Concat(), 0, 1) != joined(Concat(), 1, 0)
    assert joined(Add(), 0, 1) == joined(Add(), 1, 0)

    def outputs(*order):
        g = Builder()
        x = g.input((2, 4, 4))
        made = g.node(CONV, x, key="a"), g.node(ReLU(), x, key="b")
        return digest(g.graph(*(made[i] for i in order)))

    assert outputs(0, 1) != outputs(1, 0)
    assert outputs(0, 0) != outputs(0)


def test_sizes_and_attributes_count():
    def single(op, dims=(2, 4, 4)):
        g = Builder()
        return digest(g.graph(g.node(op, g.input(dims), key="op")))

    variants = [single(CONV), single(CONV, (2, 4, 5)), single(Conv2d(3, 1)), single(Conv2d(2, 3))]
    variants += [single(Conv2d(2, 1, bias=True)), single(Zero()), single(Zero(), (2, 4, 5))]
    assert len(set(variants)) == len(variants)


def test_a_weightless_op_that_costs_macs_counts():
    @op
    class Product(Op):
        arity = 2
        keeps_zero = True

        def shape(self, *xs):
            return xs[0]

        def macs(self, *xs):
            return xs[0].size

    try:
        g = Builder()
        x = g.input((2, 4, 4))
        g.node(Product(), x, x, key="a")
        once = g.graph(x)
        g.node(Product(), x, x, key="b")
        twice = g.graph(x)
        zero = g.node(Zero(), x, key="z")
        g.node(Product(), zero, zero, key="c")
        thrice = g.graph(x)
        costs = [graph_cost(graph).macs for graph in (once, twice, thrice)]
        assert costs == [32, 64, 96]
        assert len({digest(graph) for graph in (once, twice, thrice)}) == 3
    finally:
        OPS._entries.pop("Product")
