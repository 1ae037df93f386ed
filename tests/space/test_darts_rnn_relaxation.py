"""The relaxed recurrent cell: its sums, its sizes, and back to one cell."""

import random

import torch
from torch.nn import functional as F

from nascout.network.supernet import Supernet
from nascout.space import SPACES
from nascout.space.darts_rnn_relaxation import DartsRnnRelaxation

DOUBLE = torch.float64
OPTIONS = ("none", "tanh", "relu", "sigmoid", "identity")


def setting(width=4, normalised=True, seed=0):
    space = SPACES["darts_rnn"](width=width)
    relaxation = DartsRnnRelaxation(space, normalised)
    graph, net = relaxation.graph(), Supernet(seed)
    net.hold(graph)
    generator = torch.Generator().manual_seed(seed)
    x, h = torch.randn(2, 6, width, generator=generator, dtype=DOUBLE)
    return relaxation, graph, net.double(), x, h


def one_hot(architecture):
    """``none`` but on the edge into each node that the architecture has."""
    gates = {}
    for node in range(1, 9):
        op, source = (architecture.choices[f"node{node}_{part}"] for part in ("op", "input"))
        for i in range(node):
            chosen = op if str(i) == source else "none"
            gates[f"{i}->{node}"] = [float(option == chosen) for option in OPTIONS]
    return gates


@torch.no_grad()
def test_one_open_gate_per_node_is_the_discrete_cell():
    relaxation, graph, net, x, h = setting(normalised=False)
    for seed in range(3):
        architecture = relaxation.space.sample(random.Random(seed))
        discrete = architecture.graph()
        before = len(net.weighted)
        net.hold(discrete)
        assert len(net.weighted) == before  # the same weights
        gates = {n: torch.tensor(g, dtype=DOUBLE) for n, g in one_hot(architecture).items()}
        wanted = net(discrete, x, h)
        torch.testing.assert_close(net(graph, x, h, gates=gates), wanted, rtol=0, atol=1e-12)
        kept = {
            name: [OPTIONS[weights.index(1.0)]] for name, weights in one_hot(architecture).items()
        }
        lean = relaxation.graph(kept)
        torch.testing.assert_close(net(lean, x, h, gates=gates), wanted, rtol=0, atol=1e-12)


@torch.no_grad()
def test_the_mixture_as_the_paper_writes_it():
    relaxation, graph, net, x, h = setting()
    weights = {name.partition("@")[0]: module.weight for name, module in net.weighted.items()}
    generator = torch.Generator().manual_seed(3)
    p = {e.name: torch.rand(5, generator=generator, dtype=DOUBLE) for e in relaxation.edges}
    functions = (torch.tanh, torch.relu, torch.sigmoid, lambda v: v)

    def norm(v):
        return (v - v.mean(0)) / (v.var(0, unbiased=False) + 1e-5).sqrt()

    both = torch.cat((x, h), 1)
    c = torch.sigmoid(both @ weights["node0/gate/linear"].T)
    states = [norm(h + c * (torch.tanh(both @ weights["node0/state/linear"].T) - h))]
    for node in range(1, 9):
        total = torch.zeros_like(h)
        for i, s in enumerate(states):
            c = torch.sigmoid(F.linear(s, weights[f"{i}->{node}/gate/linear"]))
            v = F.linear(s, weights[f"{i}->{node}/state/linear"])
            for k, f in enumerate(functions, 1):
                total = total + p[f"{i}->{node}"][k] * (s + c * (f(v) - s))
        states.append(norm(total))
    wanted = sum(states[1:]) / 8
    torch.testing.assert_close(net(graph, x, h, gates=p), wanted, rtol=0, atol=1e-12)


def test_its_size():
    """One pair of matrices for x and h together, and one for each of 36 edges; nothing else."""
    _, _, net, *_ = setting(width=3)
    assert sum(p.numel() for p in net.parameters()) == 2 * 6 * 3 + 36 * 2 * 3 * 3


def test_the_strongest_edge_stays_with_its_strongest_activation():
    relaxation = DartsRnnRelaxation(SPACES["darts_rnn"](width=3))
    weights = {edge.name: [0.9, 0.01, 0.02, 0.03, 0.04] for edge in relaxation.edges}
    weights["1->2"] = [0.0, 0.1, 0.6, 0.2, 0.1]
    weights["0->2"] = [0.5, 0.5, 0.0, 0.0, 0.0]
    weights["4->7"] = [0.8, 0.05, 0.0, 0.0, 0.0]
    choices = relaxation.derive(weights).choices
    assert (choices["node2_op"], choices["node2_input"]) == ("relu", "1")
    assert (choices["node7_op"], choices["node7_input"]) == ("tanh", "4")
    assert (choices["node1_op"], choices["node1_input"]) == ("identity", "0")
    assert relaxation.derive(one_hot(relaxation.space.sample(random.Random(4)))) == (
        relaxation.space.sample(random.Random(4))
    )
