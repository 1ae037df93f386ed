"""The authors' own code on ten NAS-Bench-201 cells: same weights, same inputs, same numbers."""

import json
import math
import zlib

import numpy as np
import pytest
import torch
from torch import nn

from nascout.network import build
from nascout.score.epsilon import epsilon
from nascout.score.naswot import naswot
from nascout.space.nasbench201 import NasBench201

EDGES = ["0->1", "0->2", "1->2", "0->3", "1->3", "2->3"]
DOUBLE = (1, 3, 6)  # a float64 pass over a batch of 256 takes seconds
REDUCTION = {"conv_a": "conv_a.op.1", "conv_b": "conv_b.op.1", "shortcut": "downsample.1"}


def benchmark_name(key):
    """The benchmark's module name of a node with weights."""
    place = key.split("/")
    if place[0] in ("stem", "head"):
        return {"stem": "stem.0", "head": "classifier"}[place[0]]
    stage = int(place[0].removeprefix("stage"))
    if place[1] == "reduction":
        return f"cells.{6 * stage - 7}.{REDUCTION[place[2]]}"
    cell = 6 * (stage - 1) + int(place[1].removeprefix("cell"))
    return f"cells.{cell}.layers.{EDGES.index(place[2])}.op.1"


def keyed(architecture):
    """The network with the anchors' weights (README there)."""
    net = build(architecture)
    for node, module in zip(net.graph, net.node_modules(), strict=True):
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for name, parameter in module.named_parameters():
                seed = zlib.crc32(f"{benchmark_name(node.key)}.{name}".encode())
                drawn = np.random.RandomState(seed).uniform(-bound, bound, parameter.shape)
                parameter.data = torch.from_numpy(drawn.astype(np.float32))
    return net


def noise(seed, n):
    values = np.random.RandomState(seed).standard_normal((n, 3, 32, 32))
    return torch.from_numpy(values.astype(np.float32))


def scores(anchors, name):
    return json.loads((anchors / f"{name}.json").read_text())["scores"]


@pytest.mark.slow
@pytest.mark.parametrize("index", range(10))
def test_naswot_is_the_released_code(anchors, index):
    text, expected = list(scores(anchors, "naswot_v2").items())[index]
    net = keyed(NasBench201().parse(text))
    assert naswot(net, noise(0, 128), released=True) == pytest.approx(expected["keyed"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(10))
@pytest.mark.parametrize("inputs", ["noise256", "grey256"])
def test_epsilon_is_the_released_code(anchors, index, inputs):
    text, expected = list(scores(anchors, "epsinas").items())[index]
    net = keyed(NasBench201().parse(text))
    grey = (torch.arange(256.0) / 256).view(-1, 1, 1, 1).expand(256, 3, 32, 32)
    x = noise(2, 256) if inputs == "noise256" else grey
    # Outputs are scaled to 0..1 and subtracted: float32 leaves a few 1e-7 of noise.
    assert epsilon(net, x) == pytest.approx(expected[inputs], rel=1e-4, abs=2e-6, nan_ok=True)
    if index not in DOUBLE:
        return
    double = epsilon(net, x, dtype=torch.float64)
    assert math.isfinite(double)
    assert double == pytest.approx(expected[f"{inputs}_float64"], rel=1e-4)


def test_the_anchors_hold_both_finite_and_undefined_scores(anchors):
    """So that the comparison above is one."""
    values = [entry["noise256"] for entry in scores(anchors, "epsinas").values()]
    assert {math.isnan(value) for value in values} == {True, False}
