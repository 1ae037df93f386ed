"""The quick step of the relaxed cell against its graph."""

import pytest
import torch

from nascout.network.mixed_highway import mixed_highway
from nascout.network.shared_cell import SharedCell
from nascout.network.supernet import Supernet
from nascout.space import SPACES
from nascout.space.darts_rnn_relaxation import DartsRnnRelaxation

DOUBLE = torch.float64


@pytest.mark.parametrize("normalised", [True, False])
def test_it_is_the_graph(normalised):
    relaxation = DartsRnnRelaxation(SPACES["darts_rnn"](width=5), normalised)
    graph, net = relaxation.graph(), Supernet(1)
    net.hold(graph)
    cell = SharedCell(net, graph, relaxation).double()
    generator = torch.Generator().manual_seed(0)
    x, h = torch.randn(2, 4, 5, generator=generator, dtype=DOUBLE)
    gates = {
        edge.name: torch.randn(5, generator=generator, dtype=DOUBLE).softmax(0).requires_grad_()
        for edge in relaxation.edges
    }
    cell.use(graph, gates)
    slow, quick = cell(x, h), cell.stepping({})(x, h)
    torch.testing.assert_close(quick, slow, rtol=0, atol=1e-12)
    wanted = [*gates.values(), *cell.parameters()]
    pairs = [torch.autograd.grad(out.square().sum(), wanted) for out in (slow, quick)]
    for one, other in zip(*pairs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


@torch.no_grad()
def test_values_stand_in_the_place_of_parameters():
    relaxation = DartsRnnRelaxation(SPACES["darts_rnn"](width=3))
    graph, net = relaxation.graph(), Supernet()
    net.hold(graph)
    cell = SharedCell(net, graph, relaxation)
    cell.use(graph, {edge.name: torch.full((5,), 0.2) for edge in relaxation.edges})
    x, h = torch.ones(2, 3), torch.ones(2, 3)
    zeros = {name: torch.zeros_like(p) for name, p in cell.matrices()}
    assert len(zeros) == 2 * 37 == len(list(cell.parameters()))
    by_key = {edge.name: torch.full((5,), 0.2) for edge in relaxation.edges}
    keys = ["node0", *by_key]
    weights = {
        f"{key}/{part}/linear": torch.zeros(*((3, 6) if key == "node0" else (3, 3)))
        for key in keys
        for part in ("gate", "state")
    }
    expected = mixed_highway(relaxation, weights, by_key)(x, h)
    assert torch.equal(cell.stepping(zeros)(x, h), expected)
    assert not torch.equal(cell.stepping({})(x, h), expected)


@torch.no_grad()
def test_a_path_reads_its_own_matrices_alone():
    space = SPACES["darts_rnn"](width=3)
    graphs = [space.parse(space.known[name]).graph() for name in ("darts_rnn_v1", "darts_rnn_v2")]
    net = Supernet()
    net.hold(*graphs)
    cell = SharedCell(net, graphs[0])
    assert len(list(cell.matrices())) == 18 < len(list(cell.parameters()))
    x, h = torch.ones(2, 3), torch.ones(2, 3)
    zeros = {name: torch.zeros_like(p) for name, p in cell.matrices()}
    assert not torch.equal(cell.stepping(zeros)(x, h), cell(x, h))
    cell.use(graphs[1])
    assert torch.equal(cell(x, h), net(graphs[1], x, h))
