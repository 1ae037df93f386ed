import random
import re

import pytest
import torch
from torch import nn

from nascout.errors import ConfigError
from nascout.growth import Spot, attach, cell_groups, groups, places, thinned, trace
from nascout.growth.places import node_at, place_at
from nascout.network import build
from nascout.space import SPACES

NAMES = ("cnn", "mlp", "transformer", "nasbench201", "darts")


@pytest.fixture(scope="module")
def parents(models):
    return {name: trace(models(name), models.batch(name, 2)) for name in NAMES}


def ancestors(node):
    found, waiting = set(), [node]
    while waiting:
        for source in waiting.pop().all_input_nodes:
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_inputs_come_earlier_and_do_not_depend_on_the_place(parents, name):
    net = parents[name]
    order = {node: index for index, node in enumerate(net.graph.nodes)}
    found = places(net)
    assert len({place.name for place in found}) == len(found) > 5
    for place in found:
        node = node_at(net, place.name)
        assert node.users and place_at(net, place.name) == place
        for read in place.inputs:
            source = node_at(net, read)
            assert order[source] < order[node] and node not in ancestors(source)


def test_kinds_and_shapes(parents):
    cnn = {place.name: place for place in places(parents["cnn"])}
    assert (cnn["layer1.0.add"].kind, cnn["layer1.0.add"].shape) == ("map", (6, 8, 8))
    assert (cnn["head"].kind, cnn["head"].shape) == ("vector", (5,))
    assert "x" in cnn["layer1.0.add"].inputs and "x" not in cnn["head"].inputs
    mlp = {place.name for place in places(parents["mlp"])}
    assert {"layers.0", "dropout", "head"} <= mlp and not any(">" in name for name in mlp)
    sequence = place_at(parents["transformer"], "blocks.1.add")
    assert (sequence.kind, sequence.shape) == ("sequence", (7, 8))
    assert "blocks.0.mlp.1" in sequence.inputs and "tokens" not in sequence.inputs


def test_larger_places_read_no_smaller_maps():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2), nn.Upsample(scale_factor=2), nn.ReLU()
    )
    found = {place.name: place.inputs for place in places(trace(net, torch.zeros(2, 3, 8, 8)))}
    assert found == {
        "0": ("input",),
        "1": ("input", "0"),
        "2": ("input", "0"),
        "3": ("input", "0", "2"),
    }


class BatchElsewhere(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        turned = self.linear(x).transpose(0, 1)  # (t, n, f)
        rows = turned.reshape(-1, 4)  # (t · n, f)
        return self.linear(rows).view(turned.shape).transpose(0, 1)


def test_the_batch_comes_first():
    for n in (2, 3, 5):  # also where a length is the number of rows
        found = places(trace(BatchElsewhere(), torch.randn(n, 3, 4)))
        assert [place.name for place in found] == ["linear", "transpose:2"]


def test_macro_groups_and_thinning(parents):
    net = parents["nasbench201"]
    all_groups = groups(net)
    assert [group[0].place for group in all_groups] == [place.name for place in places(net)]
    drawn = thinned(all_groups[20], 3, random.Random(0))
    assert len(drawn[0].inputs) == 3
    assert set(drawn[0].inputs) <= set(all_groups[20][0].inputs)
    assert thinned(all_groups[20], 1000, random.Random(0)) == all_groups[20]
    assert thinned(all_groups[20], 3, random.Random(0)) == drawn


def test_cells_of_nasbench201(models):
    space = SPACES["nasbench201"](channels=4, cells=2, input_shape=(3, 8, 8))
    arch = space.sample(random.Random(0))
    net = trace(build(arch), torch.zeros(2, 3, 8, 8))
    (group,) = cell_groups(net, r"^stage\d\.cell\d\.")
    assert [spot.place for spot in group] == [
        f"stage{stage}.cell{cell}.3.sum" for stage in (1, 2, 3) for cell in (0, 1)
    ]
    assert cell_groups(net) == (group,)
    for spot in group:
        scope = re.match(r"stage\d\.cell\d\.", spot.place)[0]
        outside = [read for read in spot.inputs if not read.startswith(scope)]
        assert len(outside) == 1  # the tensor that three edges read, once
        assert len(spot.inputs) == len(group[0].inputs)
    every = cell_groups(net, outputs_only=False)
    assert every[-1] == group and len(every) > 5


def test_cells_of_darts():
    """Cells 1 and 2 of four reduce; the others are one kind, though one of them begins elsewise."""
    space = SPACES["darts"](channels=4, cells=4, input_shape=(3, 8, 8))
    net = trace(build(space.sample(random.Random(0))), torch.zeros(2, 3, 8, 8))
    by_kind = {tuple(spot.place for spot in group): group for group in cell_groups(net)}
    assert set(by_kind) == {
        ("cell0.concat", "cell3.concat"),
        ("cell1.concat", "cell2.concat"),
    }
    first, last = by_kind["cell0.concat", "cell3.concat"]
    # The two cells before: of the first cell, twice the stem, so that two columns remain.
    columns = list(zip(first.inputs, last.inputs, strict=True))
    assert ("stem.batchnorm", "cell2.concat") in columns
    assert ("stem.batchnorm", "cell1.concat") in columns
    grown = attach(net, list(by_kind.values()), operations={"map": ["identity"]})
    assert {name for name in grown.state_dict() if name.startswith("omega")} == {"omega0", "omega1"}


def test_cells_of_a_user(parents):
    """layer1 holds two blocks of one kind; the first of layer2 reduces."""
    found = cell_groups(parents["cnn"], r"^layer\d\.\d\.")
    assert [[spot.place for spot in group] for group in found] == [
        ["layer1.0.relu:2", "layer1.1.relu:2", "layer2.1.relu:2"],
        ["layer2.0.relu:2"],
    ]
    with pytest.raises(ConfigError, match="no place's name matches"):
        cell_groups(parents["cnn"])


def test_unknown_names(parents):
    with pytest.raises(ConfigError, match="no tensor 'nowhere'"):
        node_at(parents["mlp"], "nowhere")
    with pytest.raises(ConfigError, match="no place of the network"):
        place_at(parents["mlp"], "x")
    with pytest.raises(ConfigError, match="that differ"):
        attach(parents["cnn"], [(Spot("head", ("drop",)), Spot("layer1.0.add", ("stem.2",)))])
