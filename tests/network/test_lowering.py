"""Operations of the mobile and NAS-Bench-101 spaces, as torch computes them and as source."""

import pytest
import torch

from nascout.graph import Builder
from nascout.graph.cuts import Blank, Pad, Shift, Shuffle, Truncate
from nascout.graph.gates import Multiply, ReLU6, Sigmoid, SiLU
from nascout.network import build, to_source

X = 4 * torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", autouse=True)
def warm():
    """The first network and the first comparison import much of torch; that is no test's time."""
    g = Builder()
    net = build(g.graph(g.node(SiLU(), g.input((4, 5, 6)), key="silu")))
    torch.testing.assert_close(net(X), net(X))


def padded(x):
    y = torch.zeros(2, 4, 7, 6)
    y[:, :, :5] = x
    return y


def shifted(x):
    y = torch.zeros_like(x)
    y[:, :, :-1, :-1] = x[:, :, 1:, 1:]
    return y


@pytest.mark.parametrize(
    ("op", "wanted"),
    [
        (ReLU6(), torch.where(X < 0, 0.0, torch.where(X > 6, 6.0, X))),
        (SiLU(), X / (1 + torch.exp(-X))),
        (Sigmoid(), 1 / (1 + torch.exp(-X))),
        (Truncate(3), X[:, :3]),
        (Shift(), shifted(X)),
        (Shuffle(2), X[:, [0, 2, 1, 3]]),
        (Pad(7, 6), padded(X)),
        (Blank(7, 2), torch.zeros(2, 7, 3, 3)),
    ],
    ids=lambda value: getattr(value, "label", ""),
)
def test_values_of_the_module_and_of_the_source(op, wanted):
    g = Builder()
    graph = g.graph(g.node(op, g.input((4, 5, 6)), key="op"))
    scope = {}
    exec(to_source(graph), scope)
    for model in (build(graph), scope["Model"]()):
        torch.testing.assert_close(model(X), wanted)


def test_a_gate_scales_channels():
    g = Builder()
    graph = g.graph(g.node(Multiply(), g.input((4, 5, 6)), g.input((4,), "gate"), key="scale"))
    gate = torch.tensor([[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]])
    wanted = torch.stack([torch.stack([X[n, c] * gate[n, c] for c in range(4)]) for n in range(2)])
    scope = {}
    exec(to_source(graph), scope)
    for model in (build(graph), scope["Model"]()):
        torch.testing.assert_close(model(X, gate), wanted)


def test_blanks_keep_what_feeds_them():
    g = Builder()
    net = build(g.graph(g.node(Blank(3, 2), g.input((4, 5, 6)), key="none")))
    x = X.clone().requires_grad_()
    net(x).sum().backward()
    assert torch.equal(x.grad, torch.zeros_like(x))
