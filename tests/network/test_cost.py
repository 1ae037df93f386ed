"""The cost of any module against counts by hand and against the op table."""

import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.errors import UnsupportedNetwork
from nascout.graph import Builder, graph_cost
from nascout.graph.ops import Add, Conv2d, Identity, Linear, MaxPool, ReLU
from nascout.network import build
from nascout.network.cost import measured_cost, network_cost
from nascout.space.freeform import FreeForm
from nascout.space.nasbench201 import NasBench201

SPACES = [
    NasBench201(channels=4, cells=1, input_shape=(3, 8, 8)),
    FreeForm(channels=4, depth=5, input_shape=(3, 8, 8)),
]


class Wrapped(nn.Module):
    """Hides that a network has a graph."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


N, D, H = 5, 8, 16  # a sequence of N vectors of D values; H hidden units

HAND = {
    "convolution": (nn.Conv2d(3, 8, 3, padding=1), (3, 6, 6), 8 * 36 * 27 + 8 * 36),
    "without bias": (nn.Conv2d(3, 8, 3, bias=False), (3, 6, 6), 8 * 16 * 27),
    "strided": (nn.Conv2d(4, 8, 1, stride=2, bias=False), (4, 6, 6), 8 * 9 * 4),
    "grouped": (nn.Conv2d(4, 8, 3, groups=2, bias=False), (4, 6, 6), 8 * 16 * 2 * 9),
    "depthwise": (nn.Conv2d(4, 4, 3, padding=1, groups=4), (4, 6, 6), 4 * 36 * 9 + 4 * 36),
    "transposed": (nn.ConvTranspose2d(4, 2, 2, stride=2, bias=False), (4, 3, 3), 9 * 4 * 2 * 4),
    "one dimension": (nn.Conv1d(3, 4, 3, bias=False), (3, 10), 4 * 8 * 9),
    "linear": (nn.Linear(12, 5), (12,), 12 * 5 + 5),
    "linear without bias": (nn.Linear(12, 5, bias=False), (12,), 12 * 5),
    "linear on a sequence": (nn.Linear(D, 4), (N, D), N * (D * 4 + 4)),
    "matrix product": (Apply(lambda x: x @ x.transpose(1, 2)), (N, D), N * N * D),
    "attention": (
        Apply(lambda x: F.scaled_dot_product_attention(x, x, x)),
        (2, N, D),
        2 * 2 * N * N * D,
    ),
    "attention layer": (
        nn.MultiheadAttention(D, 2, batch_first=True),
        None,
        N * 3 * (D * D + D) + 2 * N * N * D + N * (D * D + D),
    ),
    "transformer layer": (
        nn.TransformerEncoderLayer(D, 2, H, batch_first=True),
        (N, D),
        N * 4 * (D * D + D) + 2 * N * N * D + N * (D * H + H + H * D + D),
    ),
    "lstm": (nn.LSTM(D, H, batch_first=True), (N, D), N * 4 * H * (D + H + 2)),
    "gru": (nn.GRU(D, H, batch_first=True), (N, D), N * 3 * H * (D + H + 2)),
    "two-way lstm of two layers": (
        nn.LSTM(D, H, 2, bidirectional=True, batch_first=True),
        (N, D),
        2 * N * 4 * H * (D + H + 2) + 2 * N * 4 * H * (2 * H + H + 2),
    ),
    "no product": (nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(3)), (3, 4, 4), 0),
}


@pytest.fixture(scope="module", autouse=True)
def _first_use_of_a_dispatch_mode():
    """PyTorch imports its compiler then, once, which takes seconds."""
    network_cost(nn.Linear(1, 1), (1,))


@pytest.mark.parametrize("name", HAND)
def test_macs_by_hand(name):
    net, shape, macs = HAND[name]
    if name == "attention layer":
        attention, shape = net, (N, D)
        net = Wrapped(Apply(lambda x: attention(x, x, x)[0]))
    assert network_cost(net, shape).macs == macs


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
def test_a_network_measured_as_a_foreign_module_agrees_with_its_graph(space):
    """Memory too, but for sums of three and more: made pairwise, they hold one partial sum more."""
    rng = random.Random(0)
    for _ in range(4):
        graph = space.sample(rng).graph()
        measured, said = network_cost(Wrapped(build(graph)), space.input_shape), graph_cost(graph)
        assert (measured.params, measured.macs) == (said.params, said.macs)
        sums = [
            4 * graph.shapes[i].size
            for i, node in enumerate(graph)
            if isinstance(node.op, Add) and len(node.inputs) > 2
        ]
        assert 0 <= measured.activation_bytes - said.activation_bytes <= max(sums, default=0)


def test_every_form_of_a_network_has_one_cost():
    architecture = SPACES[0].sample(random.Random(0))
    graph = architecture.graph()
    costs = {network_cost(t) for t in (architecture, graph, build(graph))}
    assert costs == {graph_cost(graph)}


def test_peak_memory_of_a_chain_and_of_a_branch_by_hand():
    """Floats of 4 bytes: x and y alive together; then x, y and x + y."""
    chain = nn.Sequential(nn.Conv2d(2, 6, 1, bias=False), nn.MaxPool2d(2))
    assert network_cost(chain, (2, 4, 4)).activation_bytes == 4 * (32 + 96)
    branch = Apply(lambda x: x + x.relu())
    assert network_cost(branch, (2, 4, 4)).activation_bytes == 4 * 3 * 32
    in_place = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten())
    assert network_cost(in_place, (2, 4, 4)).activation_bytes == 4 * 32


def test_the_sample_counts_until_its_last_reader():
    """12 → 12, 12 → 30, 30 → 30 values: the peak is 60, without the sample, unless it is read."""
    layers = nn.Sequential(nn.ReLU(), nn.Linear(12, 30, bias=False), nn.ReLU())
    assert network_cost(layers, (12,)).activation_bytes == 4 * 60
    late = Apply(lambda x: (layers(x), x.relu()))
    assert network_cost(late, (12,)).activation_bytes == 4 * (12 + 60)
    given_back = Apply(lambda x: (layers(x), x))
    assert network_cost(given_back, (12,)).activation_bytes == 4 * (12 + 60)


def test_half_precision_takes_half_the_memory():
    net = nn.Conv2d(2, 6, 1, bias=False).to(torch.bfloat16)
    assert network_cost(net, (2, 4, 4)).activation_bytes == 2 * (32 + 96)


def test_a_graph_with_a_dead_node_and_an_identity_agrees_too():
    g = Builder()
    x = g.input((2, 4, 4))
    y = g.chain((Conv2d(4, 3), Identity()), x, key="y")
    g.node(ReLU(), y, key="dead")
    z = g.node(Add(), y, g.node(MaxPool(3), y, key="pool"), key="z")
    graph = g.graph(z)
    assert network_cost(Wrapped(build(graph)), (2, 4, 4)) == graph_cost(graph)


def used():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.ReLU())
    net[1].eval()
    return net


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 1, 1)])
def test_the_module_is_left_as_found_also_after_an_error(shape):
    net, state = used(), torch.get_rng_state()
    before = (
        [m.training for m in net.modules()],
        {k: v.clone() for k, v in net.state_dict().items()},
    )
    state = torch.get_rng_state()
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        network_cost(net, shape)
    except UnsupportedNetwork:
        assert shape == (3, 1, 1)
    assert [m.training for m in net.modules()] == before[0]
    assert all(torch.equal(v, before[1][k]) for k, v in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state) and torch.is_grad_enabled()
    assert torch.backends.mha.get_fastpath_enabled() == fast and all(
        not m._forward_hooks for m in net.modules()
    )


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


@pytest.mark.parametrize(
    "net", [nn.Linear(3, 2), TwoInputs(), nn.BatchNorm1d(3), nn.Embedding(3, 2)], ids=str
)
def test_a_module_that_cannot_run_on_the_sample_is_refused(net):
    with pytest.raises(UnsupportedNetwork, match="cannot run on one sample"):
        network_cost(net, (5, 4, 4))


def test_a_foreign_module_needs_the_input_shape():
    with pytest.raises(UnsupportedNetwork, match="input_shape"):
        network_cost(nn.Linear(3, 2))


def test_a_linear_op_counts_like_a_linear_module():
    g = Builder()
    graph = g.graph(g.node(Linear(5), g.input((12,)), key="l"))
    assert graph_cost(graph) == network_cost(nn.Linear(12, 5), (12,))


def test_several_inputs_are_costed_together():
    """Two linear maps of 3 to 2: 2 (6 + 2) MACs; the inputs' 24 bytes live to their last reader."""

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, a, b):
            return self.a(a) + self.b(b)

    one = torch.zeros(1, 3)
    by_place, by_name = measured_cost(Two(), one, one + 1), measured_cost(Two(), a=one, b=one + 1)
    assert by_place == by_name
    assert (by_place.params, by_place.macs) == (16, 16)
    assert by_place.activation_bytes == 24 + 2 * 8
