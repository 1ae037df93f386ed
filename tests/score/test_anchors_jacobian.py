"""Scores of Jacobians, features and regions against their authors' code on the anchors' cells."""

import math
import zlib

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from nascout.score.epe_nas import epe_nas
from nascout.score.jacob_cov import jacob_cov
from nascout.score.linear_regions import linear_regions
from nascout.score.ntk import ntk
from nascout.score.zen import zen
from nascout.space.nasbench201 import NasBench201

pytestmark = pytest.mark.slow

CELLS = (1, 6)  # deep, almost linear; full networks take seconds
DOUBLE = (6,)  # a float64 pass takes longer still


class Cell(nn.Module):
    """The benchmark's cell: node j sums its edges; ``none`` is x times zero."""

    def __init__(self, text, channels):
        super().__init__()
        nodes = [node.strip("|").split("|") for node in text.split("+")]
        self.edges = [(*edge.split("~"), j) for j, node in enumerate(nodes, 1) for edge in node]
        self.layers = nn.ModuleList(_edge(name, channels) for name, _, _ in self.edges)

    def forward(self, x):
        nodes = [x, 0, 0, 0]
        for layer, (_, i, j) in zip(self.layers, self.edges, strict=True):
            nodes[j] = nodes[j] + layer(nodes[int(i)])
        return nodes[3]


class Operation(nn.Module):
    """Its parts are called ``op``, as in the benchmark."""

    def __init__(self, *parts):
        super().__init__()
        self.op = nn.Sequential(*parts)

    def forward(self, x):
        return self.op(x)


class TimesZero(nn.Module):
    def forward(self, x):
        return x * 0


class Reduction(nn.Module):
    def __init__(self, inside, out):
        super().__init__()
        self.conv_a, self.conv_b = _conv(inside, out, 3, 2), _conv(out, out, 3)
        self.downsample = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inside, out, 1, bias=False))

    def forward(self, x):
        return self.downsample(x) + self.conv_b(self.conv_a(x))


def _conv(inside, out, kernel, stride=1):
    conv = nn.Conv2d(inside, out, kernel, stride, kernel // 2, bias=False)
    return Operation(nn.ReLU(), conv, nn.BatchNorm2d(out))


def _edge(name, channels):
    if name.startswith("nor_conv"):
        return _conv(channels, channels, int(name[-1]))
    return {
        "none": TimesZero(),
        "skip_connect": nn.Identity(),
        "avg_pool_3x3": nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    }[name]


class TinyNetwork(nn.Module):
    """The benchmark's network, module by module under its names, with the anchors' weights."""

    def __init__(self, text, channels, cells, inputs=3, depth=None):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(inputs, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        c, parts = channels, []
        for stage in range(3):
            parts += [Reduction(c, 2 * c)] if stage else []
            c = 2 * c if stage else c
            parts += [Cell(text, c) for _ in range(cells)]
        self.cells = nn.ModuleList(parts[:depth])
        c = channels if depth == 1 else c
        self.lastact = nn.Sequential(nn.BatchNorm2d(c), nn.ReLU())
        self.classifier = nn.Linear(c, 10)
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                bound = 1 / math.sqrt(module.weight[0].numel())
                for kind, parameter in module.named_parameters():
                    draws = np.random.RandomState(zlib.crc32(f"{name}.{kind}".encode()))
                    drawn = draws.uniform(-bound, bound, parameter.shape).astype(np.float32)
                    parameter.data = torch.from_numpy(drawn)

    def forward(self, x):
        x = self.stem(x)
        for cell in self.cells:
            x = cell(x)
        return self.classifier(self.lastact(x).mean((2, 3)))


def entry(scores, index):
    return list(scores.items())[index]


@pytest.mark.parametrize("index", CELLS)
def test_jacob_cov_is_the_first_version_of_the_authors(anchor_scores, keyed, noise, index):
    text, expected = entry(anchor_scores("naswot_v1"), index)
    net = keyed(NasBench201(classes=1).parse(text))
    value = jacob_cov(net, noise(0, 128))
    assert value == pytest.approx(expected["keyed_nc1"], rel=1e-5, abs=6e-3)
    if index not in DOUBLE:
        return
    # 1/(v + k) makes the noise of float32 visible.
    double = jacob_cov(net.double(), noise(0, 128).double())
    assert double == pytest.approx(expected["keyed_nc1_float64"], rel=1e-9)


@pytest.mark.parametrize("index", CELLS)
def test_jacob_cov_with_ten_outputs_is_that_of_zero_cost_nas(anchor_scores, keyed, noise, index):
    text, expected = entry(anchor_scores("samsung_on_dxy"), index)
    value = jacob_cov(keyed(text), noise(0, 128))
    assert value == pytest.approx(expected["jacob_cov_keyed"], rel=1e-5, abs=6e-3)


def test_epe_nas_ranks_cells_as_naslib(anchor_scores, keyed, noise):
    """NASLib draws its weights in its own order, so that only ranks can be compared."""
    scores = dict(entry(anchor_scores("naslib_other"), index) for index in (0, 4, 8))
    labels = torch.from_numpy(np.random.RandomState(1).randint(0, 10, 128))
    ours = [epe_nas(keyed(text), noise(0, 128), labels) for text in scores]
    theirs = [values["seed0"]["epe_nas"] for values in scores.values()]
    assert spearmanr(ours, theirs).statistic == pytest.approx(1)


@pytest.mark.parametrize("index", CELLS)
def test_zen_is_the_authors(anchor_scores, keyed, noise, index):
    text, expected = entry(anchor_scores("zen"), index)
    inputs = noise(0, 128), noise(3, 128)
    value = zen(keyed(text, "normal"), inputs=inputs)
    assert value == pytest.approx(expected["keyed_normal_x_RS0_x2_RS3"], rel=1e-5)


@pytest.mark.parametrize("index", CELLS)
def test_ntk_of_the_small_network_is_that_of_te_nas(anchor_scores, noise, index):
    text, expected = entry(anchor_scores("tenas_ntk"), index)
    value = ntk(TinyNetwork(text, channels=3, cells=1), noise(0, 128)[:72])
    assert value == pytest.approx(expected["keyed_C3N1_b72"], rel=1e-5)


@pytest.mark.parametrize("index", CELLS)
def test_ntk_of_the_full_network_is_that_of_te_nas(anchor_scores, keyed, noise, index):
    text, expected = entry(anchor_scores("tenas_ntk"), index)
    value = ntk(keyed(text), noise(0, 128)[:16])
    assert value == pytest.approx(expected["keyed_C16N5_b16"], rel=1e-5)


@pytest.mark.parametrize("index", range(10))
def test_linear_regions_are_those_of_te_nas(anchor_scores, index):
    text, expected = entry(anchor_scores("tenas_linear_regions"), index)
    net = TinyNetwork(text, channels=1, cells=1, inputs=1, depth=1)
    x = np.random.RandomState(10).standard_normal((3000, 1, 3, 3)).astype(np.float32)
    # The authors count a pattern shared by three as three thirds, in float32.
    count = round(expected["keyed_C1_depth1_1000x1x3x3_x3"])
    assert linear_regions(net, torch.from_numpy(x)) == count
