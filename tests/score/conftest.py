"""The anchors' networks, batches and values (README there)."""

import json
import math
import zlib

import numpy as np
import pytest
import torch
from torch import nn

from nascout.network import build
from nascout.space.nasbench201 import NasBench201

EDGES = ["0->1", "0->2", "1->2", "0->3", "1->3", "2->3"]
REDUCTION = {"conv_a": "conv_a.op.1", "conv_b": "conv_b.op.1", "shortcut": "downsample.1"}


@pytest.fixture(scope="session")
def keyed():
    """``keyed(cell)``: the network of a cell's text (or of an architecture), anchors' weights."""
    return _keyed


@pytest.fixture(scope="session")
def noise():
    """``noise(seed, n)``: n images of standard normal noise."""
    return _noise


@pytest.fixture(scope="session")
def anchor_scores(anchors):
    """``anchor_scores(file)``: per cell's text, in order, the values by key."""
    return lambda name: json.loads((anchors / f"{name}.json").read_text())["scores"]


def _keyed(architecture, distribution="uniform"):
    """``"uniform"`` is the anchors' ``keyed``, ``"normal"`` their ``keyed_normal``."""
    if isinstance(architecture, str):
        architecture = NasBench201().parse(architecture)
    net = build(architecture)
    for node, module in zip(net.graph, net.node_modules(), strict=True):
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for name, parameter in module.named_parameters():
                draws = np.random.RandomState(
                    zlib.crc32(f"{_benchmark_name(node.key)}.{name}".encode())
                )
                if distribution == "uniform":
                    drawn = draws.uniform(-bound, bound, parameter.shape)
                elif name == "weight":
                    drawn = draws.standard_normal(parameter.shape)
                else:
                    drawn = np.zeros(parameter.shape)
                parameter.data = torch.from_numpy(drawn.astype(np.float32))
    return net


def _benchmark_name(key):
    """The benchmark's module name of a node with weights."""
    place = key.split("/")
    if place[0] in ("stem", "head"):
        return {"stem": "stem.0", "head": "classifier"}[place[0]]
    stage = int(place[0].removeprefix("stage"))
    if place[1] == "reduction":
        return f"cells.{6 * stage - 7}.{REDUCTION[place[2]]}"
    cell = 6 * (stage - 1) + int(place[1].removeprefix("cell"))
    return f"cells.{cell}.layers.{EDGES.index(place[2])}.op.1"


def _noise(seed, n):
    values = np.random.RandomState(seed).standard_normal((n, 3, 32, 32))
    return torch.from_numpy(values.astype(np.float32))
