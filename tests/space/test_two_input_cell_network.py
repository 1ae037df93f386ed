"""Networks of two-input cells against a reckoning of the released codes' layers."""

import random
import re

import pytest
import torch

from nascout.graph import graph_cost
from nascout.graph.draw import draw
from nascout.network import build
from nascout.space import SPACES

SPACE = ("darts", "nasnet", "amoebanet", "pnas", "enas_micro")


class Reckoner:
    """Adds up learned values and multiply-adds; a map is (channels, side)."""

    def __init__(self, family):
        self.family, self.params, self.macs = family, 0, 0

    def conv(self, x, out, kernel=1, stride=1, groups=1, norm=True):
        channels, side = x
        side = -(-side // stride)
        values = channels // groups * out * kernel**2
        self.params += values + 2 * out * norm
        self.macs += values * side**2
        return out, side

    def separable(self, x, c, kernel, stride):
        x = self.conv(x, x[0], kernel, stride, groups=x[0], norm=False)
        return self.conv(x, c)

    def fit(self, x, c, stride):
        return x if (x[0], stride) == (c, 1) else self.conv(x, c, 1, stride)

    def operation(self, op, x, c, stride):
        kernel = int(op[-1]) if op != "skip_connect" else 1
        if op == "skip_connect":
            return self.fit(x, c, stride)
        if op.startswith("sep"):
            return self.separable(self.separable(x, c, kernel, stride), c, kernel, 1)
        if op.startswith("dil"):
            return self.separable(x, c, kernel, stride)
        if "pool" in op:
            return self.fit((x[0], -(-x[1] // stride)), c, 1)
        if op in ("conv_3x1_1x3", "conv_7x1_1x7"):
            small = -(-x[1] // stride)
            self.params += (x[0] + c) * c * kernel + 2 * c
            self.macs += x[0] * c * kernel * x[1] * small + c * c * kernel * small**2
            return c, small
        return self.conv(x, c, kernel, stride)

    def inputs(self, before, x, c):
        if before is None:
            first = x
        elif before[1] != x[1]:
            first = self.conv((before[0], x[1]), c)
        else:
            first = self.conv(before, c) if self.family == "darts" else self.fit(before, c, 1)
        if self.family == "enas_micro":
            x = self.fit(x, c, 1)
        return first, self.conv(x, c)

    def cell(self, cell, before, x, c, stride):
        states = list(self.inputs(before, x, c))
        side = -(-x[1] // stride)
        for block in cell.blocks:
            for op, source in block.ends:
                step = stride if source < 2 else 1
                assert self.operation(op, states[source], c, step) == (c, side)
            states.append((c * (1 if block.combine == "add" else 2), side))
        total = 0
        for i in cell.concat:
            if i < 2 and states[i] != (c, side):
                states[i] = self.conv((states[i][0], side), c)
            total += states[i][0]
        return total, side


def reckoned(space, arch):
    """For square images and their stem."""
    r = Reckoner(space.name)
    cells = space.genotype(arch)
    c = space.channels
    x = r.conv((space.input_shape[0], space.input_shape[1]), c * space.stem_multiplier, 3)
    before = x if space.name in ("darts", "enas_micro") else None
    for index in range(space.layers):
        reduces = index in (space.layers // 3, 2 * space.layers // 3)
        c *= 1 + reduces
        cell = cells.get("reduce", cells["normal"]) if reduces else cells["normal"]
        before, x = x, r.cell(cell, before, x, c, 1 + reduces)
    r.params += x[0] * space.classes
    r.macs += x[0] * space.classes
    bias = 0 if space.name == "enas_micro" else space.classes
    return r.params + bias, r.macs + bias


@pytest.mark.parametrize("side", [32, 27])
@pytest.mark.parametrize("name", SPACE)
def test_random_cells_cost_what_a_plain_reckoning_says(name, side):
    cells = 5 if name == "darts" else 1
    space = SPACES[name](channels=6, cells=cells, input_shape=(3, side, side))
    rng = random.Random(side)
    for _ in range(12):
        arch = space.sample(rng)
        cost = graph_cost(arch.graph())
        assert (cost.params, cost.macs) == reckoned(space, arch), str(arch)


def relabelled(pairs, order):
    """The same blocks, in another order and each with its ends swapped."""
    place = {0: 0, 1: 1} | {old + 2: new + 2 for new, old in enumerate(order)}
    return [
        (pairs[2 * old + end][0], place[pairs[2 * old + end][1]]) for old in order for end in (1, 0)
    ]


@pytest.mark.parametrize("name", SPACE)
def test_isomorphic_cells_share_a_digest(name):
    """However the blocks are numbered, and whichever end of a block comes first."""
    sizes = {} if name == "darts" else {"blocks": 4}
    if name == "nasnet":
        sizes["concat"] = "loose_ends"
    space = SPACES[name](channels=2, cells=1, input_shape=(3, 8, 8), **sizes)
    rng = random.Random(1)
    found = set()
    for _ in range(30):
        arch = space.sample(rng)
        genotype = {
            kind: [tuple(end) for block in cell.blocks for end in block.ends]
            for kind, cell in space.genotype(arch).items()
        }
        order = rng.sample(range(4), 4)
        normal = genotype["normal"]
        made_before = [
            source < 2 or order.index(source - 2) < order.index(i // 2)
            for i, (_, source) in enumerate(normal)
        ]
        if all(made_before) and order != [0, 1, 2, 3]:
            plain = space.from_genotype(genotype)
            other = space.from_genotype(genotype | {"normal": relabelled(normal, order)})
            assert plain != other
            assert plain.digest == other.digest
            found.add(plain.digest)
    assert len(found) > 1


def test_blocks_that_concatenate_have_no_first_end():
    space = SPACES["nasnet"](channels=2, cells=1, blocks=2, concat="loose_ends")
    text = "Genotype(normal={}, normal_combine=['concat', 'add'], reduce={})"
    pairs = [("conv_1x1", 0), ("avg_pool_3x3", 1), ("conv_3x3", 2), ("skip_connect", 0)]
    swapped = [pairs[1], pairs[0], pairs[3], pairs[2]]
    one, other = (space.parse(text.format(p, pairs)) for p in (pairs, swapped))
    assert one.digest == other.digest


def test_cells_that_differ_have_different_digests():
    space = SPACES["pnas"](channels=2, cells=1, blocks=2, input_shape=(3, 8, 8))
    first = [("sep_conv_3x3", 0), ("sep_conv_3x3", 1)]
    seconds = [
        [("sep_conv_3x3", 0), ("sep_conv_3x3", 1)],
        [("sep_conv_3x3", 0), ("sep_conv_3x3", 2)],
        [("sep_conv_3x3", 1), ("sep_conv_3x3", 2)],
        [("sep_conv_3x3", 2), ("sep_conv_3x3", 2)],
        [("sep_conv_3x3", 0), ("sep_conv_3x3", 0)],
    ]
    found = {space.from_genotype({"normal": [*first, *second]}).digest for second in seconds}
    assert len(found) == len(seconds)


@pytest.mark.parametrize("name", SPACE)
@pytest.mark.parametrize("imagenet_stem", [False, True])
def test_both_outputs_learn(name, imagenet_stem):
    """Every weight gets a gradient from one of the two outputs."""
    space = SPACES[name](
        channels=2,
        cells=3 if name == "darts" else 1,
        classes=3,
        imagenet_stem=imagenet_stem,
        auxiliary=True,
        input_shape=(3, 20, 18),
    )
    (text,) = list(space.known.values())[-1:]
    net = build(space.parse(text))
    outputs = net(torch.randn(2, 3, 20, 18, generator=torch.Generator().manual_seed(0)))
    assert [tuple(out.shape) for out in outputs] == [(2, 3), (2, 3)]
    sum(out.square().sum() for out in outputs).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_the_stems_for_large_images():
    """DARTS: an eighth after three convolutions. NASNet: an eighth after two reduction cells."""
    for name, stem, halved in (("darts", "stem1", 28), ("nasnet", "stem/cell2", 28)):
        space = SPACES[name](channels=8, cells=3, imagenet_stem=True, input_shape=(3, 224, 224))
        graph = space.parse(list(space.known.values())[-1]).graph()
        sides = [
            shape.height
            for node, shape in zip(graph, graph.shapes, strict=True)
            if node.key.startswith(stem)
        ]
        assert sides[-1] == halved


def test_a_picture_shows_both_cells():
    space = SPACES["darts"](channels=4)
    arch = space.parse(space.known["darts_v2"])
    graph = space.picture(arch)
    assert [graph.nodes[i].key for i in graph.inputs] == ["h[k-2]", "h[k-1]"]
    assert [graph.shapes[i] for i in graph.outputs] == [(16, 32, 32), (16, 16, 16)]
    assert draw(graph).count(">dil_conv_3x3<") == 1


@pytest.mark.parametrize("name", SPACE)
def test_where_weights_are_shared_a_state_has_one_place_in_every_architecture(name):
    space = SPACES[name](channels=4, cells=3, input_shape=(3, 16, 16))
    read = set()
    for seed in range(8):
        arch = space.sample(random.Random(seed))
        plain, shared = arch.graph(), space.shared_graph(arch)
        cells = {n.key: n.inputs for n in shared if re.fullmatch(r"cell\d/concat", n.key)}
        assert len(cells) == min(space.layers, 10)
        for cell, nodes in cells.items():
            made = [re.match(r"cell\d/(\d)[/-]", shared.nodes[i].key) for i in nodes]
            for place, state in enumerate(made, space.first_concatenated):
                assert int(state[1]) == place if state else place < 2
            kept = {shared.nodes[i].key for i in nodes if shared.nodes[i].op.label != "zero"}
            for node in plain:
                if node.key == cell:
                    assert {plain.nodes[i].key for i in node.inputs} == kept
        read.add(
            tuple(
                sorted(
                    (node.key, call.inputs)
                    for node, call in zip(shared, shared.calls, strict=True)
                    if node.op.label == "conv2d" and "->" not in node.key
                )
            )
        )
    assert len(read) == 1 or name == "nasnet"  # whose blocks may be twice as wide
