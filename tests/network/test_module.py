"""Networks: keyed weights, the official NAS-Bench-201 network, and any graph."""

import copy
import random
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.errors import GraphError, UnsupportedNetwork
from nascout.graph import Builder, Graph, Node, graph_cost
from nascout.graph.op import OPS, Op, op
from nascout.graph.ops import Add, BatchNorm, Conv2d, GlobalAvgPool, Input, Linear, ReLU
from nascout.network import build, initialise, lowers
from nascout.network.lowering import _TABLE
from nascout.space.freeform import FreeForm
from nascout.space.nasbench201 import NasBench201

SMALL = NasBench201(channels=4, cells=2, input_shape=(3, 8, 8))
FREE = FreeForm(channels=4, depth=5, input_shape=(3, 8, 8))
CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"
X = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def weights(net):
    return {name: p for name, p in net.named_parameters() if p.dim() > 1}


# --- keyed weights ------------------------------------------------------------------------------


def test_one_position_has_one_weight_in_every_architecture():
    one, other = build(SMALL.parse(CELL)), build(SMALL.parse(CELL.replace("none", "nor_conv_3x3")))
    shared = weights(one).keys() & weights(other).keys()
    assert len(weights(other)) > len(weights(one)) == len(shared)
    assert all(torch.equal(weights(one)[name], weights(other)[name]) for name in shared)
    assert len({w.flatten()[0].item() for w in weights(other).values()}) == len(weights(other))


def test_the_order_of_nodes_does_not_matter():
    nodes = (
        *(Node(Input((3, 4, 4)), (), "in"), Node(Conv2d(2, 3), (0,), "a")),
        *(Node(Conv2d(2, 1), (0,), "b"), Node(Add(), (1, 2), "sum")),
    )
    swapped = (nodes[0], nodes[2], nodes[1], nodes[3])
    one, other = build(Graph(nodes, (3,))), build(Graph(swapped, (3,)))
    assert all(torch.equal(w, weights(other)[name]) for name, w in weights(one).items())
    torch.testing.assert_close(one(X[:, :, :4, :4]), other(X[:, :, :4, :4]))


def test_casts_round_the_same_weights():
    net = build(SMALL.parse(CELL))
    for dtype in (torch.float64, torch.bfloat16):
        cast = build(SMALL.parse(CELL), dtype=dtype)
        assert all(torch.equal(w.to(dtype), weights(cast)[n]) for n, w in weights(net).items())
        assert cast(X.to(dtype)).dtype == dtype


@pytest.mark.slow
def test_another_process_draws_the_same():
    program = (
        "import torch; torch.manual_seed(9)\n"
        "from nascout.network import build; from nascout.space.nasbench201 import NasBench201\n"
        f"net = build(NasBench201(channels=4, cells=2, input_shape=(3, 8, 8)).parse({CELL!r}), 3)\n"
        "print([p.double().sum().item() for p in net.parameters()])"
    )
    command = [sys.executable, "-c", program]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    here = [p.double().sum().item() for p in build(SMALL.parse(CELL), 3).parameters()]
    assert there.strip() == str(here)


def test_weights_and_biases_are_bounded_by_fan_in_and_norms_start_at_one_and_zero():
    net = build(NasBench201(channels=16, cells=1).parse(CELL))
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = module.weight[0].numel() ** -0.5
            for p in module.parameters():
                assert 0.7 * bound < p.abs().max() <= bound * (1 + 1e-6)
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and (module.bias == 0).all()
            assert (module.running_mean == 0).all() and (module.running_var == 1).all()


def test_building_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    build(SMALL.parse(CELL))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.slow  # torch.optim imports the compiler on first use
def test_initialise_undoes_training():
    net = build(SMALL.parse(CELL), 1)
    fresh = copy.deepcopy(net.state_dict())
    net(X).sum().backward()
    torch.optim.SGD(net.parameters(), 1.0).step()
    initialise(net, 1)
    assert all(torch.equal(net.state_dict()[k], v) for k, v in fresh.items())


def test_the_network_is_in_train_mode_and_wants_gradients():
    net = build(SMALL.parse(CELL))
    assert net.training and all(p.requires_grad for p in net.parameters())


# --- against independent code -------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, c, out, kernel, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(c, out, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x):
        return self.bn(self.conv(F.relu(x)))


class Cell(nn.Module):
    """Node j = Σ op_ij(node i), as in the benchmark's paper (section 2)."""

    def __init__(self, text, c):
        super().__init__()
        self.edges = {}
        for j, node in enumerate(text.split("+"), 1):
            for part in node.strip("|").split("|"):
                name, i = part.split("~")
                self.edges[int(i), j] = name
        self.ops = nn.ModuleDict(
            {
                f"{i}{j}": Block(c, c, 3 if name.endswith("3x3") else 1)
                for (i, j), name in self.edges.items()
                if name.startswith("nor_conv")
            }
        )

    def forward(self, x):
        nodes = [x]
        for j in (1, 2, 3):
            total = 0
            for i in range(j):
                name, source = self.edges[i, j], nodes[i]
                if name == "skip_connect":
                    total = total + source
                elif name == "avg_pool_3x3":
                    ones = F.avg_pool2d(torch.ones_like(source), 3, 1, 1)
                    total = total + F.avg_pool2d(source, 3, 1, 1) / ones
                elif name != "none":
                    total = total + self.ops[f"{i}{j}"](source)
            nodes.append(total)
        return nodes[-1]


class Official(nn.Module):
    def __init__(self, text, c, n, classes):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, c, 3, padding=1, bias=False), nn.BatchNorm2d(c))
        self.cells = nn.ModuleList(Cell(text, c * 2**s) for s in range(3) for _ in range(n))
        self.down = nn.ModuleList(
            nn.ModuleList([Block(w, 2 * w, 3, 2), Block(2 * w, 2 * w, 3)]) for w in (c, 2 * c)
        )
        self.short = nn.ModuleList(nn.Conv2d(w, 2 * w, 1, bias=False) for w in (c, 2 * c))
        self.last, self.classifier = nn.BatchNorm2d(4 * c), nn.Linear(4 * c, classes)
        self.n = n

    def forward(self, x):
        x = self.stem(x)
        for index, cell in enumerate(self.cells):
            if index and index % self.n == 0:
                stage = index // self.n - 1
                a, b = self.down[stage]
                x = b(a(x)) + self.short[stage](F.avg_pool2d(x, 2))
            x = cell(x)
        return self.classifier(F.relu(self.last(x)).mean((2, 3)))


def place(net, key):
    for name in key.split("/"):
        net = getattr(net, name)
    return net


def counterparts(net, official, n):
    """Pairs (our module, theirs) that own weights, by position."""
    pairs = [(net.stem.conv2d, official.stem[0]), (net.stem.batchnorm, official.stem[1])]
    pairs += [(net.head.batchnorm, official.last), (net.head.linear, official.classifier)]
    for index, cell in enumerate(official.cells):
        ours = place(net, f"stage{index // n + 1}/cell{index % n}")
        for edge, block in cell.ops.items():
            (mine,) = getattr(ours, f"{edge[0]}->{edge[1]}").children()
            pairs += [(mine.conv2d, block.conv), (mine.batchnorm, block.bn)]
    for stage in (0, 1):
        ours = place(net, f"stage{stage + 2}/reduction")
        for mine, block in zip((ours.conv_a, ours.conv_b), official.down[stage], strict=True):
            pairs += [(mine.conv2d, block.conv), (mine.batchnorm, block.bn)]
        pairs.append((ours.shortcut.conv2d, official.short[stage]))
    return pairs


@pytest.mark.parametrize(
    "text",
    [
        CELL,
        "|nor_conv_1x1~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|",
        "|avg_pool_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|nor_conv_1x1~2|",
    ],
)
def test_a_cell_network_is_the_official_one(text):
    net, official = build(SMALL.parse(text)), Official(text, 4, 2, 10)
    pairs = counterparts(net, official, 2)
    for mine, theirs in pairs:
        theirs.load_state_dict(mine.state_dict())
    count = sum(p.numel() for p in official.parameters())
    assert count == sum(p.numel() for m, _ in pairs for p in m.parameters())
    assert count == sum(p.numel() for p in net.parameters())
    torch.testing.assert_close(net(X), official(X), rtol=1e-5, atol=1e-6)
    net.eval(), official.eval()  # on the statistics that the pass above left
    torch.testing.assert_close(net(X), official(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("space", [SMALL, FREE], ids=["nasbench201", "freeform"])
def test_graph_cost_counts_the_parameters_that_there_are(space):
    rng = random.Random(0)
    for _ in range(6):
        architecture = space.sample(rng)
        params = sum(p.numel() for p in build(architecture).parameters())
        assert graph_cost(architecture.graph()).params == params


class KeepsAll(nn.Module):
    """Runs a network's modules without freeing anything."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        values = []
        for node, module in zip(self.net.graph, self.net.node_modules(), strict=True):
            values.append(module(*[values[i] for i in node.inputs]) if module else x)
        return values


def test_every_node_gives_its_shape_and_freeing_changes_nothing():
    rng = random.Random(1)
    for _ in range(6):
        architecture = FREE.sample(rng)
        net = build(architecture).eval()
        values = KeepsAll(net)(X)
        shapes = [tuple(v.shape[1:]) for v in values]
        assert shapes == [tuple(s) for s in architecture.graph().shapes]
        assert torch.equal(net(X), values[architecture.graph().outputs[0]])


# --- any graph ----------------------------------------------------------------------------------


def test_several_inputs_and_outputs_and_a_node_nobody_reads():
    g = Builder()
    x, y = g.input((2, 4, 4), key="x"), g.input((2, 4, 4), key="y")
    total = g.node(Add(), x, y, key="sum")
    g.node(ReLU(), total, key="unread")
    relu = g.node(ReLU(), total, key="relu")
    net = build(g.graph(total, relu, total, x))
    a, b = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4)
    outputs = net(a, b)
    expected = (a + b, (a + b).clamp(min=0), a + b, a)
    assert len(outputs) == 4
    assert all(torch.equal(o, e) for o, e in zip(outputs, expected, strict=True))


@pytest.mark.parametrize("count", [0, 2])
def test_a_wrong_number_of_inputs_is_named(count):
    with pytest.raises(GraphError, match=rf"1 input\(s\), {count} were given"):
        build(SMALL.parse(CELL))(*[X] * count)


@pytest.mark.parametrize(
    "keys",
    [
        *(("a/b", "a"), ("a", "a/b"), ("a.b", "a_b"), ("forward", "c"), ("graph", "c")),
        *(("", "c"), ("training/a", "c"), ("conv/weight", "c")),
    ],
    ids=str,
)
def test_keys_that_clash_are_refused(keys):
    nodes = (
        Node(Input((2, 4, 4)), (), "in"),
        Node(Conv2d(2, 3), (0,), "conv"),
        Node(ReLU(), (1,), keys[0]),
        Node(ReLU(), (2,), keys[1]),
    )
    with pytest.raises(GraphError, match="cannot name a module"):
        build(Graph(nodes, (3,)))


def test_what_is_no_graph_is_refused():
    with pytest.raises(UnsupportedNetwork, match="cannot build a str"):
        build("resnet18")


def test_an_op_without_a_module_is_named():
    class Alien(Op):
        def shape(self, *xs):
            return xs[0]

    g = Builder()
    with pytest.raises(UnsupportedNetwork, match="the op Alien has no torch module"):
        build(g.graph(g.node(Alien(), g.input((2, 4, 4)), key="alien")))


def test_copies_and_state_round_trip():
    net = build(SMALL.parse(CELL), 1)
    net(X)  # statistics away from their start
    net.eval()
    twin = copy.deepcopy(net)
    assert torch.equal(twin(X), net(X))
    with torch.no_grad():
        twin.head.linear.weight.zero_()
    assert not torch.equal(twin(X), net(X))
    other = build(SMALL.parse(CELL), 2).eval()
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(X), net(X))


@pytest.fixture
def attention():
    """A third party's op: parameters in nested modules, a buffer, a normalisation."""

    @op
    class Mixer(Op):
        def shape(self, *xs):
            return xs[0]

    class MixerModule(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.norm, self.inner = nn.LayerNorm(width), nn.Sequential(nn.Linear(width, width))
            self.register_buffer("scale", torch.full((width,), 3.0))

        def forward(self, x):
            return self.inner(self.norm(x)) * self.scale

    lowers(Mixer)(lambda op, xs: MixerModule(xs[0].channels))
    yield Mixer
    del OPS._entries["Mixer"], _TABLE[Mixer]


def test_a_third_partys_module_is_initialised_throughout(attention):
    g = Builder()
    graph = g.graph(g.node(attention(), g.input((6,)), key="mix"))
    torch.manual_seed(1)
    one = build(graph)
    torch.manual_seed(2)
    other = build(graph)
    assert (one.mix.scale == 3).all() and (one.mix.norm.weight == 1).all()
    assert one.mix.inner[0].weight.abs().max() <= 6**-0.5
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_vectors_are_normalised_too():
    g = Builder()
    x = g.chain((GlobalAvgPool(), Linear(4), BatchNorm(affine=False)), g.input((3, 8, 8)), key="v")
    out = build(g.graph(x))(X)
    torch.testing.assert_close(out.mean(0), torch.zeros(4), atol=1e-6, rtol=0)
