"""Training known cells, step by step, against plain modules and SGD written by hand.

The plain networks follow the papers and released codes. ``Places`` says where in nascout's network
the same layer stands, so that weights can be copied. nascout lays a cell's nodes side by side in an
order of its own, which only renames channels: the plain cells take it over.
"""

from collections import Counter

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.data import Arrays, Split
from nascout.network import build
from nascout.space import SPACES
from nascout.train import Augmentation, Constant, Recipe, Sgd, fit

N, CLASSES, LR, MOMENTUM, DECAY, CLIP, SMOOTHING, AUXILIARY = 6, 3, 0.1, 0.9, 1e-2, 0.5, 0.1, 0.4
DARTS_V2 = {
    "normal": "sep3 0 sep3 1 sep3 0 sep3 1 sep3 1 skip 0 skip 0 dil3 2",
    "reduce": "max3 0 max3 1 skip 2 max3 1 max3 0 skip 2 skip 2 max3 1",
}
NASNET_A = {
    "normal": "sep5 1 sep3 0 sep5 0 sep3 0 avg3 1 skip 0 avg3 0 avg3 0 sep3 1 skip 1",
    "reduce": "sep5 1 sep7 0 max3 1 sep7 0 avg3 1 sep5 0 skip 3 avg3 2 sep3 2 max3 1",
}
BENCH201 = "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
MACRO = "1 4 1 0 1 0 2 0 0 1 5 1 1 0 1"  # ENAS: per layer, an operation and its skips
NAMES = {"sep": "sep_conv", "dil": "dil_conv", "max": "max_pool", "avg": "avg_pool"}


class Places(dict):
    """Layers by the name of nascout's: a prefix, a kind, and a number from the second on."""

    def __init__(self):
        self.counted = Counter()

    def put(self, prefix, kind, layer):
        name = f"{prefix}.{kind}"
        self.counted[name] += 1
        self[name + str(self.counted[name])[self.counted[name] == 1 :]] = layer
        return layer

    def conv(self, prefix, c_in, c_out, kernel=1, stride=1, kind="conv2d", padding=None, **more):
        padding = kernel // 2 if padding is None else padding
        layer = nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=False, **more)
        return self.put(prefix, kind, layer)

    def norm(self, prefix, c):
        return self.put(prefix, "batchnorm", nn.BatchNorm2d(c))

    def conv_norm(self, prefix, c_in, c_out, kernel=1, stride=1, **more):
        conv = self.conv(prefix, c_in, c_out, kernel, stride, **more)
        return nn.Sequential(conv, self.norm(prefix, c_out))

    def relu_conv_norm(self, prefix, *args):
        return nn.Sequential(nn.ReLU(), self.conv_norm(prefix, *args))

    def depthwise(self, prefix, c_in, c_out, kernel, stride, dilation=1):
        pad = dilation * (kernel // 2)
        how = {"kind": "depthwiseconv2d", "groups": c_in, "dilation": dilation, "padding": pad}
        one = self.conv(prefix, c_in, c_in, kernel, stride, **how)
        return nn.Sequential(nn.ReLU(), one, self.conv_norm(prefix, c_in, c_out))


class Halved(nn.Module):
    """Two 1x1 convolutions of stride 2, the second one position further."""

    def __init__(self, at, prefix, c_in, c_out, relu=True):
        super().__init__()
        self.even = at.conv(prefix, c_in, c_out // 2, 1, 2, kind="even")
        self.odd = at.conv(prefix, c_in, c_out // 2, 1, 2, kind="odd")
        self.norm, self.relu = at.norm(prefix, c_out), relu

    def forward(self, x):
        x = F.relu(x) if self.relu else x
        shifted = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        return self.norm(torch.cat([self.even(x), self.odd(shifted)], 1))


def option(at, prefix, op, c_in, c, stride, nasnet):
    kernel = int(op[-1]) if op != "skip" else 1
    if op == "skip":
        if (c_in, stride) == (c, 1):
            return nn.Identity()
        make = at.relu_conv_norm if nasnet else Halved
        return make(prefix, c_in, c, 1, stride) if nasnet else make(at, prefix, c_in, c)
    if op[:3] in ("max", "avg"):
        pool = nn.MaxPool2d if op[:3] == "max" else nn.AvgPool2d
        more = {} if op[:3] == "max" else {"count_include_pad": False}
        fit_it = [] if c_in == c else [at.conv_norm(prefix, c_in, c)]
        return nn.Sequential(pool(kernel, stride, kernel // 2, **more), *fit_it)
    if op.startswith("dil"):
        return at.depthwise(prefix, c_in, c, kernel, stride, dilation=2)
    first = at.depthwise(prefix, c_in, c, kernel, stride)
    return nn.Sequential(first, at.depthwise(prefix, c, c, kernel, 1))


class Cell(nn.Module):
    def __init__(self, at, key, pairs, order, before, now, c, stride, halved, nasnet):
        super().__init__()
        self.input1 = at.relu_conv_norm(f"{key}.input1", now, c)
        channels = [c, c]
        if before is None:  # the first of NASNet reads the stem twice, once as it is
            self.input0, channels[0] = nn.Identity(), now
        elif halved:
            self.input0 = Halved(at, f"{key}.input0", before, c)
        else:
            self.input0 = at.relu_conv_norm(f"{key}.input0", before, c)
        words = pairs.split()
        self.sources = [int(word) for word in words[1::2]]
        self.edges = nn.ModuleList()
        for place, (op, source) in enumerate(zip(words[::2], self.sources, strict=True)):
            name = "skip_connect" if op == "skip" else f"{NAMES[op[:3]]}_{op[-1]}x{op[-1]}"
            prefix = f"{key}.{source}->{place // 2 + 2}.{name}"
            step, c_in = (stride, channels[source]) if source < 2 else (1, c)
            self.edges.append(option(at, prefix, op, c_in, c, step, nasnet))
        self.order = order
        misfit = 0 in order and channels[0] != c
        self.last = at.conv_norm(f"{key}.0->concat", channels[0], c) if misfit else nn.Identity()

    def forward(self, before, now):
        states = [self.input0(before), self.input1(now)]
        for place in range(0, len(self.edges), 2):
            one, other = (self.edges[i](states[self.sources[i]]) for i in (place, place + 1))
            states.append(one + other)
        return torch.cat([self.last(states[i]) if i == 0 else states[i] for i in self.order], 1)


class CellNetwork(nn.Module):
    """DARTS's and NASNet's network for small images, with their auxiliary head."""

    def __init__(self, at, cells, orders, c, layers, *, nasnet, auxiliary, side):
        super().__init__()
        now = 3 * c
        self.stem = at.conv_norm("stem", 3, now, 3)
        self.cells, self.nasnet, before = nn.ModuleList(), nasnet, None if nasnet else now
        halved, reductions = False, (layers // 3, 2 * layers // 3)
        self.with_head = reductions[1] - nasnet if auxiliary else None
        for i in range(layers):
            stride = 2 if i in reductions else 1
            c, side = c * stride, side // stride
            kind = "reduce" if stride > 1 else "normal"
            made = Cell(
                at, f"cell{i}", cells[kind], orders[i], before, now, c, stride, halved, nasnet
            )
            self.cells.append(made)
            before, now, halved = now, len(orders[i]) * c, stride > 1
            if i == self.with_head:
                left = (side - 5) // 3 + 1
                self.auxiliary = nn.Sequential(
                    nn.ReLU(),
                    nn.AvgPool2d(5, 3),
                    at.conv_norm("auxiliary.project", now, 128),
                    nn.ReLU(),
                    at.conv_norm("auxiliary.whole", 128, 768, left, padding=0),
                    nn.ReLU(),
                    nn.Flatten(),
                    at.put("auxiliary.head", "linear", nn.Linear(768, CLASSES)),
                )
        self.head = at.put("head", "linear", nn.Linear(now, CLASSES))

    def forward(self, x):
        before = now = self.stem(x)
        further = []
        for i, cell in enumerate(self.cells):
            before, now = now, cell(before, now)
            if i == self.with_head:
                further.append(self.auxiliary(now))
        return [self.head((F.relu(now) if self.nasnet else now).mean((2, 3))), *further]


class Bench201(nn.Module):
    def __init__(self, at, text, c):
        super().__init__()
        self.stem, self.parts = at.conv_norm("stem", 3, c, 3), nn.ModuleList()
        for stage in (1, 2, 3):
            if stage > 1:
                self.parts.append(Reduction(at, f"stage{stage}.reduction", c))
                c *= 2
            self.parts.append(Bench201Cell(at, f"stage{stage}.cell0", text, c))
        self.last = at.norm("head", c)
        self.head = at.put("head", "linear", nn.Linear(c, CLASSES))

    def forward(self, x):
        x = self.stem(x)
        for part in self.parts:
            x = part(x)
        return [self.head(F.relu(self.last(x)).mean((2, 3)))]


class Reduction(nn.Module):
    def __init__(self, at, key, c):
        super().__init__()
        first = at.relu_conv_norm(f"{key}.conv_a", c, 2 * c, 3, 2)
        self.both = nn.Sequential(first, at.relu_conv_norm(f"{key}.conv_b", 2 * c, 2 * c, 3))
        self.short = nn.Sequential(nn.AvgPool2d(2), at.conv(f"{key}.shortcut", c, 2 * c))

    def forward(self, x):
        return self.both(x) + self.short(x)


class Bench201Cell(nn.Module):
    def __init__(self, at, key, text, c):
        super().__init__()
        self.nodes = [
            [part.split("~") for part in node.strip("|").split("|")] for node in text.split("+")
        ]
        self.ops = nn.ModuleDict()
        for j, node in enumerate(self.nodes, 1):
            for op, i in node:
                if op.startswith("nor"):
                    prefix = f"{key}.{i}->{j}.{op}"
                    self.ops[f"{i}{j}"] = at.relu_conv_norm(prefix, c, c, int(op[-1]))
                elif op.startswith("avg"):
                    self.ops[f"{i}{j}"] = nn.AvgPool2d(3, 1, 1, count_include_pad=False)

    def forward(self, x):
        states = [x]
        for j, node in enumerate(self.nodes, 1):
            terms = [self.ops[f"{i}{j}"](states[int(i)]) for _, i in node if f"{i}{j}" in self.ops]
            terms += [states[int(i)] for op, i in node if op == "skip_connect"]
            states.append(sum(terms))
        return states[-1]


class Macro(nn.Module):
    """ENAS's final network of layers (section 2.3): skips are concatenated and projected."""

    def __init__(self, at, text, c, layers):
        super().__init__()
        kinds = ("conv_3x3", "sep_conv_3x3", "conv_5x5", "sep_conv_5x5")
        names = (*kinds, "avg_pool_3x3", "max_pool_3x3")
        words = [int(word) for word in text.split()]
        self.stem, self.skips, self.layers = at.conv_norm("stem", 3, c, 3), [], nn.ModuleList()
        self.joins, self.reductions, self.third = nn.ModuleList(), nn.ModuleDict(), layers // 3
        for layer in range(1, layers + 1):
            (op, *skips), words = words[:layer], words[layer:]
            self.skips.append([i for i, skip in enumerate(skips) if skip])
            self.layers.append(self.branch(at, f"layer{layer}.{names[op]}", op, c))
            wide = (1 + sum(skips)) * c
            join = f"layer{layer}.join"
            made = at.relu_conv_norm(join, wide, c) if layer > 1 else nn.Identity()
            self.joins.append(made)
            if layer % self.third == 0 and layer <= 2 * self.third:
                key = f"reduction{layer // self.third}"
                self.reductions[str(layer)] = nn.ModuleList(
                    Halved(at, f"{key}.from{i}", c, 2 * c, relu=False) for i in range(layer + 1)
                )
                c *= 2
        self.head = at.put("head", "linear", nn.Linear(c, CLASSES, bias=False))

    def branch(self, at, prefix, op, c):
        first = at.relu_conv_norm(prefix, c, c)
        if op > 3:
            mean = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
            return nn.Sequential(first, mean if op == 4 else nn.MaxPool2d(3, 1, 1))
        kernel = 3 if op < 2 else 5
        if op % 2:
            return nn.Sequential(first, at.depthwise(prefix, c, c, kernel, 1))
        return nn.Sequential(first, at.relu_conv_norm(prefix, c, c, kernel))

    def forward(self, x):
        nodes = [self.stem(x)]
        for number, (layer, join) in enumerate(zip(self.layers, self.joins, strict=True), 1):
            terms = [nodes[i] for i in self.skips[number - 1]]
            nodes.append(join(torch.cat([*terms, layer(nodes[-1])], 1)))
            if str(number) in self.reductions:
                halves = self.reductions[str(number)]
                nodes = [half(node) for half, node in zip(halves, nodes, strict=True)]
        return [self.head(nodes[-1].mean((2, 3)))]


class Double(nn.Module):
    """``fit`` gives float32 images; all else is float64."""

    def __init__(self, net):
        super().__init__()
        self.net = net.double()

    def forward(self, x):
        return self.net(x.double())


def concatenations(graph):
    """The states that each cell lays side by side, in nascout's order."""
    orders = {}
    for node in graph:
        cell, _, last = node.key.partition("/")
        if last == "concat" and cell.startswith("cell"):
            parts = [graph.nodes[i].key.split("/")[1] for i in node.inputs]
            orders[int(cell.removeprefix("cell"))] = [
                0 if part in ("input0", "0->concat") else int(part) for part in parts
            ]
    return orders


def known(name):
    """nascout's network, the plain one, and where the layers of the one are in the other."""
    at, auxiliary = Places(), name.endswith("with a head")
    if name.startswith(("darts", "nasnet")):
        family, nasnet = name.split(",")[0].split("_")[0], name.startswith("nasnet")
        cells = NASNET_A if nasnet else DARTS_V2
        count = 1 if nasnet else 3
        space = SPACES[family](channels=4, cells=count, classes=CLASSES, auxiliary=auxiliary)
        architecture = space.parse(space.known["nasnet_a" if nasnet else "darts_v2"])
        layers = 3 * count + 2 if nasnet else count
        orders = concatenations(architecture.graph())
        chosen = {"nasnet": nasnet, "auxiliary": auxiliary, "side": 32}
        return build(architecture), CellNetwork(at, cells, orders, 4, layers, **chosen), at
    if name == "nasbench201":
        space = SPACES[name](channels=4, cells=1, classes=CLASSES)
        return build(space.parse(BENCH201)), Bench201(at, BENCH201, 4), at
    space = SPACES[name](layers=5, channels=4, classes=CLASSES, network="final")
    return build(space.parse(MACRO)), Macro(at, MACRO, 4, 5), at


def step_by_hand(net, x, y, velocity):
    """SGD (Sutskever's momentum as in PyTorch) against the clipped gradient; returns the loss."""
    outs = net(x)
    weights = [1.0] + [AUXILIARY] * (len(outs) - 1)
    smoothed = torch.full((len(y), CLASSES), SMOOTHING / CLASSES, dtype=torch.float64)
    smoothed[torch.arange(len(y)), y] += 1 - SMOOTHING
    losses = [-(smoothed * out.log_softmax(1)).sum(1).mean() for out in outs]
    loss = sum(w * one for w, one in zip(weights, losses, strict=True))
    parameters = list(net.parameters())
    gradients = torch.autograd.grad(loss, parameters)
    norm = sum(g.square().sum() for g in gradients).sqrt()
    assert norm > CLIP
    with torch.no_grad():
        for w, g in zip(parameters, gradients, strict=True):
            slope = g * CLIP / (norm + 1e-6) + DECAY * w
            velocity[w] = MOMENTUM * velocity.get(w, 0) + slope
            w.sub_(LR * velocity[w])
    return loss.item()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["darts", "darts, with a head", "nasnet", "nasnet, with a head", "nasbench201", "enas_macro"],
)
def test_two_steps_are_those_by_hand(name):
    """Loss, weights and statistics, to 1e-10; the second step has momentum."""
    net, plain, places = known(name)
    ours = Double(net)
    plain.double()
    for place, layer in places.items():
        layer.load_state_dict(net.get_submodule(place).state_dict())
    assert sum(p.numel() for p in net.parameters()) == sum(p.numel() for p in plain.parameters())
    x = torch.randn(N, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    part = Arrays(x, torch.arange(N) % CLASSES)
    split = Split(part, part, None, CLASSES, torch.zeros(3), torch.ones(3), flip=False)
    recipe = Recipe(
        "by hand",
        "a test",
        epochs=2,
        batch_size=N,
        lr=LR,
        optimizer=Sgd(
            momentum=MOMENTUM, nesterov=False, weight_decay=DECAY, decay_norm_and_bias=True
        ),
        schedule=Constant(),
        augmentation=Augmentation(crop_fraction=0.0, flip=False),
        label_smoothing=SMOOTHING,
        gradient_clip=CLIP,
        auxiliary_weight=AUXILIARY,
    )
    trained = fit(ours, split, recipe)
    velocity = {}
    losses = [step_by_hand(plain, x.double(), part.y, velocity) for _ in range(2)]
    assert [epoch.train_loss for epoch in trained.curve] == pytest.approx(losses, abs=1e-10)
    for place, layer in places.items():
        state = net.get_submodule(place).state_dict()
        for tensor, value in layer.state_dict().items():
            torch.testing.assert_close(state[tensor], value, rtol=0, atol=1e-10)
