"""Collapsed networks against the networks themselves, and what is shared and left out."""

import math
from functools import partial

import pytest
import torch

from nascout.errors import UnsupportedNetwork
from nascout.graph import Builder
from nascout.graph.cuts import Blank, Shift, Shuffle, Truncate
from nascout.graph.gates import Multiply, ReLU6, Sigmoid, SiLU
from nascout.graph.op import OPS, Op, op
from nascout.graph.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Conv2d,
    DepthwiseConv2d,
    GlobalAvgPool,
    Identity,
    Linear,
    MaxPool,
    ReLU,
    Zero,
)
from nascout.network import build, collapsed_ops, lowering
from nascout.network.collapsed import Collapsed
from nascout.network.collapsed_ops import collapses, each
from nascout.network.collapsed_planes import apply
from nascout.network.collapsed_values import Step
from nascout.score.epsilon import output_at

SHAPE = (3, 7, 6)


def images(n=5, shape=SHAPE, dtype=torch.float64):
    drawn = torch.randn((n, *shape), generator=torch.Generator().manual_seed(0))
    return drawn.to(dtype)


def collapsed(graph, x, constant, **options):
    batch = [x] if isinstance(x, torch.Tensor) else list(x)
    one = Collapsed(batch, **options)
    (end,) = one.read([graph])
    assert not isinstance(end, UnsupportedNetwork), end
    return next(one.outputs([end], constant))


def network(graph, x, constant, train=True):
    first = x if isinstance(x, torch.Tensor) else x[0]
    net = build(graph, dtype=first.dtype).train(train)
    with torch.no_grad():
        return output_at(net, x, constant, first.dtype)


def agree(graph, x, constants=(0.3, 1.0), **options):
    for constant in constants:
        expected = network(graph, x, constant, options.get("train", True))
        given = collapsed(graph, x, constant, **options)
        torch.testing.assert_close(given, expected, rtol=1e-10, atol=0)


def chain(*ops, shape=SHAPE):
    g = Builder()
    return g.graph(g.chain(ops, g.input(shape), key="net"))


WINDOWS = [
    Conv2d(4, 3),
    Conv2d(4, 1, 2),
    Conv2d(4, (3, 2), (1, 2), padding=(0, 1)),
    Conv2d(4, 3, 2, dilation=2),
    Conv2d(4, 3, dilation=(1, 2), padding=2),
    Conv2d(4, 1, padding=1),
    Conv2d(4, 3, bias=True),
    Conv2d(6, 3, groups=3),
    DepthwiseConv2d(5, 2),
    DepthwiseConv2d(3, dilation=2, padding=0),
    AvgPool(3),
    AvgPool(2, 2, ceil=True),
    AvgPool(3, 2, padding=0),
    AvgPool((3, 2), (2, 1), padding=(1, 0), ceil=True),
    MaxPool(3),
    MaxPool(2, 2, ceil=True),
    MaxPool(3, 2),
    MaxPool((2, 3), (1, 2), padding=(0, 1)),
]


@pytest.mark.parametrize("window", WINDOWS, ids=repr)
@pytest.mark.parametrize("before", [(), (Conv2d(6, 1), BatchNorm(), ReLU())], ids=["raw", "after"])
def test_windows(window, before):
    tail = BatchNorm(), ReLU(), GlobalAvgPool(), Linear(2)
    agree(chain(*before, window, *tail), images())
    agree(chain(*before, window), images())  # a map's first position


@pytest.mark.parametrize(
    "ops",
    [
        (Conv2d(4, 3), BatchNorm(affine=False), SiLU(), Conv2d(2, 3), BatchNorm(), Sigmoid()),
        (Conv2d(4, 3), BatchNorm(), Shift(), Conv2d(4, 1, 2), ReLU(), Truncate(2), Conv2d(1, 1)),
        (Truncate(2), Shift(), MaxPool(3), Identity(), BatchNorm()),
        (Conv2d(4, 3), ReLU6(), Shuffle(2), BatchNorm(), Conv2d(2, 1), ReLU6()),
        (Shuffle(3), Conv2d(6, 3, groups=3), Shuffle(2), Conv2d(4, 1, groups=2), ReLU6()),
        (Conv2d(4, 3), Blank(6, 2), Sigmoid(), Conv2d(1, 3)),
        (Conv2d(4, 3), Zero(), Conv2d(2, 3), BatchNorm(), ReLU()),
        (GlobalAvgPool(), BatchNorm(), ReLU(), Linear(3), SiLU(), Linear(2, bias=False)),
    ],
    ids=lambda ops: "-".join(one.label for one in ops),
)
@pytest.mark.parametrize("train", [True, False])
def test_chains(ops, train):
    agree(chain(*ops), images(), train=train)


def test_vectors():
    ops = Linear(4), BatchNorm(), ReLU(), Linear(3)
    agree(chain(*ops, shape=(5,)), images(6, (5,)))


def different_channels():
    """Pieces of a raw image, a map and a pooled map side by side, and convolutions of these."""
    g = Builder()
    x = g.input(SHAPE)
    y = g.chain((Conv2d(4, 3), BatchNorm()), x, key="y")
    pool = g.node(AvgPool(3), y, key="pool")
    both = g.concat(x, y, pool, key="both")  # 3 different, 4 equal, 4 equal
    mixed = g.node(Add(), both, g.concat(pool, x, y, key="other"), key="add")
    grouped = g.node(Conv2d(22, 3, groups=11), mixed, key="grouped")
    joined = g.chain((Conv2d(6, 1, groups=2), ReLU(), Conv2d(2, 1)), grouped, key="joined")
    few = g.chain((Truncate(5), DepthwiseConv2d(3), BatchNorm()), mixed, key="few")
    return g.graph(g.node(Conv2d(3, 3), g.concat(joined, few, key="all"), key="end"))


def test_channels_that_differ():
    agree(different_channels(), images())


def gated():
    g = Builder()
    x = g.input(SHAPE)
    y = g.chain((Conv2d(4, 3), BatchNorm()), x, key="y")
    gate = g.chain((GlobalAvgPool(), Linear(2), SiLU(), Linear(4), Sigmoid()), y, key="gate")
    z = g.node(Multiply(), y, gate, key="z")
    w = g.node(Multiply(), x, g.node(GlobalAvgPool(), x, key="mean"), key="w")
    return g.graph(g.node(Conv2d(2, 3), g.concat(z, w, key="zw"), key="end"))


def test_gates():
    agree(gated(), images())


def test_two_inputs_and_two_outputs():
    g = Builder()
    a, b = g.input(SHAPE, key="a"), g.input((4,), key="b")
    pooled = g.chain((Conv2d(4, 3), GlobalAvgPool()), a, key="pooled")
    total = g.node(Linear(2), g.add(b, pooled, key="sum"), key="total")
    agree(g.graph(total, pooled), (images(), images(5, (4,))))


def test_the_closed_form_of_a_sum():
    """Each of 8 equal channels is w Σx; the convolution of these is 8 w² Σx."""
    graph, x = chain(Conv2d(8, 1), Conv2d(1, 1), shape=(3, 1, 1)), images(shape=(3, 1, 1))
    expected = 8 * 0.25 * x.sum((1, 2, 3))
    torch.testing.assert_close(collapsed(graph, x, 0.5), expected)


def branches(*, swapped=False):
    g = Builder()
    x = g.input(SHAPE)
    conv = Conv2d(3, 3), BatchNorm()
    a, b = (g.chain(conv, x, key=key) for key in "ab")
    nothing = g.node(Zero(), x, key="nothing")
    pool = g.node(AvgPool(3), x, key="pool")
    terms = (pool, a, nothing) if swapped else (b, pool)
    return g, g.add(*terms, key="sum"), a


def test_the_same_sum_is_the_same_value():
    """Whatever the keys, the order of terms, and zeros that are added; all weights are equal."""
    graphs = [g.graph(total) for g, total, _ in (branches(), branches(swapped=True))]
    low = Collapsed([images()])
    first, second = (next(low.outputs([end], 0.5)) for end in low.read(graphs))
    assert torch.equal(first, second)


def test_equal_layers_of_one_source_are_one_value():
    g = Builder()
    x = g.input(SHAPE)
    ends = [g.chain((Conv2d(3, 3), BatchNorm(), ReLU()), x, key=key) for key in "ab"]
    other = g.node(Conv2d(3, 1), x, key="other")
    first, second, third = Collapsed([images()]).read([g.graph(one) for one in (*ends, other)])
    assert first is second is not third


def deep(ends):
    """Graphs that share eight layers."""
    g = Builder()
    x = g.chain((Conv2d(4, 3), BatchNorm(), ReLU(), AvgPool(3)) * 2, g.input(SHAPE), key="x")
    return [g.graph(g.node(Conv2d(4, 1 + 2 * i), x, key=f"end{i}")) for i in range(ends)]


@pytest.mark.parametrize("memory", [0, 2**30])
def test_sharing_and_memory_do_not_change_values(memory):
    graphs, x = deep(3), images()
    one = Collapsed([x], memory=memory)
    for _ in range(2):
        given = list(one.outputs(one.read(graphs), 1.0))
        for graph, output in zip(graphs, given, strict=True):
            torch.testing.assert_close(output, network(graph, x, 1.0), rtol=1e-10, atol=0)


def test_what_is_shared_is_computed_once(monkeypatch):
    computed = []
    matmul = torch.bmm
    monkeypatch.setattr(torch, "bmm", lambda *a, **k: computed.append(1) or matmul(*a, **k))
    graphs = deep(3)
    one = Collapsed([images()])
    list(one.outputs(one.read(graphs), 1.0))
    assert len(computed) == 6  # two convolutions, two pools, and the ends of size 3 and 5


@op
class Cube(Op):
    """x³, known to nobody."""

    def shape(self, *xs):
        return xs[0]


OPS._entries.pop("Cube")  # a test's own


def test_what_cannot_be_collapsed_says_why():
    unknown = chain(Conv2d(3, 1), Cube())
    other = chain(Conv2d(3, 1), shape=(3, 9, 9))
    g = Builder()
    x = g.input(SHAPE)
    broken = g.graph(g.add(x, g.node(AvgPool(2, 2), x, key="pool"), key="sum"))
    fine = chain(Conv2d(3, 1))
    ends = Collapsed([images()]).read([unknown, other, broken, fine])
    for end, words in zip(ends, ["op Cube has no", r"\(3, 9, 9\)", "equal shapes"], strict=False):
        with pytest.raises(UnsupportedNetwork, match=words):
            raise end
    assert not isinstance(ends[3], UnsupportedNetwork)


def test_an_op_of_someone_else(monkeypatch):
    monkeypatch.setattr(lowering, "_TABLE", dict(lowering._TABLE))
    monkeypatch.setattr(collapsed_ops, "_TABLE", dict(collapsed_ops._TABLE))

    class Power(torch.nn.Module):
        def forward(self, x):
            return x**3

    lowering.lowers(Cube)(lambda op, shapes: Power())
    cube = Step(partial(apply, lambda x: x**3), lambda bound: math.inf)
    register = collapses(Cube)
    register(lambda op, values, x: each(lambda v: values.derive(cube, (v,)), x))
    agree(chain(Conv2d(3, 3), BatchNorm(), Cube(), Conv2d(2, 3), BatchNorm()), images())
    with pytest.raises(ValueError, match="Cube is collapsed twice"):
        register(lambda op, values, x: x)


def test_one_sample_has_no_batch_statistics():
    (end,) = Collapsed([images(1, (5,))]).read([chain(BatchNorm(), shape=(5,))])
    assert isinstance(end, UnsupportedNetwork)


def residual(depth, *, skip):
    """Blocks of ReLU, convolution and normalisation, with or without a way around each."""
    g = Builder()
    x = g.chain((Conv2d(4, 3), BatchNorm()), g.input(SHAPE), key="stem")
    for i in range(depth):
        y = g.chain((ReLU(), Conv2d(4, 3), BatchNorm()), x, key=f"block{i}")
        x = g.add(x, y, key=f"sum{i}") if skip else y
    return g.graph(g.chain((GlobalAvgPool(), Linear(1)), x, key="head"))


@pytest.mark.parametrize("depth", [1, 3, 4, 8])
@pytest.mark.parametrize("skip", [True, False])
def test_small_constants_round_to_zero_where_networks_do(depth, skip):
    graph, x = residual(depth, skip=skip), images(8, dtype=torch.float32)
    expected = network(graph, x, 1e-7)
    given = collapsed(graph, x, 1e-7)
    assert bool(expected.any()) == bool(given.any()) == (skip or depth < 3)
    torch.testing.assert_close(given, expected, rtol=1e-4, atol=4e-45)
    agree(graph, x.double(), (1e-7,))


def test_what_is_lost_beside_the_rest_is_not_computed():
    """A block of weights 1e-7 is 1e-9 of the way around it: half of that is lost in float32."""
    x = images(8, dtype=torch.float32)
    one = Collapsed([x])
    (end, shallow) = one.read([residual(8, skip=True), residual(0, skip=True)])
    (deep_end, plain) = one.outputs([end, shallow], 1e-7)
    assert torch.equal(deep_end, plain)


def test_a_zero_is_not_a_small_number():
    """Where the rest is exactly zero, the small term is all there is."""
    g = Builder()
    x = g.input((1,))
    kept = g.node(ReLU(), x, key="kept")
    faint = g.chain((Linear(1), Linear(1)), x, key="faint")
    graph = g.graph(g.add(kept, faint, key="sum"))
    x = torch.tensor([[-2.0], [-1.0], [1.0]])
    expected = torch.tensor([-2e-14, -1e-14, 1.0])
    torch.testing.assert_close(collapsed(graph, x, 1e-7), expected, rtol=1e-5, atol=0)


def test_overflow_is_where_it_is_in_a_network():
    graph, x = chain(*[Conv2d(4, 3)] * 12), images(dtype=torch.float32)
    expected = network(graph, x, 1e4)
    assert not expected.isfinite().any()
    assert not collapsed(graph, x, 1e4).isfinite().any()
    assert math.isfinite(float(collapsed(graph, x.double(), 1e4)[0]))
