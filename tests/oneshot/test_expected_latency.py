"""Expected latency against all architectures of a space, on a clock that is known."""

import math
import random
from dataclasses import dataclass

import pytest
import torch

from nascout.hardware import LatencyTable
from nascout.oneshot.expected_latency import LOSSES, tabulate
from nascout.space import SPACES
from nascout.space.decision import Choice
from nascout.space.nasbench201 import NasBench201
from nascout.space.nasbench_macro import NasBenchMacro

SMALL = {"classes": 3, "input_shape": (3, 16, 16)}
RELAXED = {
    "fbnet": {"channels": 4, "last": 32},
    "nasbench201": {"channels": 4, "cells": 1},
    "nasbench_macro": {"channels": 4},
    "proxylessnas": {"divisor": 8, "strides": (1, 1, 2, 2, 1, 1, 1, 1)},
    "transnasbench101_micro": {},
}


def fewer(decisions, start, stop):
    return tuple(Choice(c.name, c.options[start:stop]) for c in decisions)


@dataclass(frozen=True)
class FewCells(NasBench201):
    """64 cells of skips and 1x1 convolutions."""

    @property
    def decisions(self):
        return fewer(super().decisions, 1, 3)


@dataclass(frozen=True)
class FewChains(NasBenchMacro):
    """256 chains."""

    @property
    def decisions(self):
        return fewer(super().decisions, 0, 2)


class Clock(LatencyTable):
    """A machine on which an operation takes as long as it has parameters and values to read.

    Whole networks take 1.5 times as long as the sum.
    """

    def _time(self, net, shapes, seconds):
        own = sum(math.prod(shape) for shape in shapes)
        own += sum(p.numel() for p in net.parameters())
        if type(net).__name__ == "Network":
            return 1.5 * sum(self.operations_ms([(c.op, c.inputs) for c in net.graph.calls]))
        return 1e-3 * own


@pytest.fixture
def clock(tmp_path):
    return Clock(path=tmp_path / "clock.json")


def drawn_probabilities(relaxation, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        edge.name: torch.randn(len(edge.options), generator=generator, dtype=torch.float64).softmax(
            0
        )
        for edge in relaxation.edges
    }


def certain(architecture):
    return {
        choice.name: torch.tensor([float(option == value) for option in choice.options])
        for choice, value in zip(architecture.space.decisions, architecture.values, strict=True)
    }


@pytest.mark.parametrize(
    "space",
    [
        FewCells(channels=4, cells=1, **SMALL),
        pytest.param(FewChains(channels=4, **SMALL), marks=pytest.mark.slow),
    ],
    ids=["cells", "chains"],
)
def test_it_is_the_mean_over_all_architectures(space, clock):
    relaxation = space.relaxation()
    expected = tabulate(relaxation, clock)
    probabilities = drawn_probabilities(relaxation)
    mean, latencies = 0.0, []
    for architecture in space:
        chance = 1.0
        for name, option in certain(architecture).items():
            chance *= float(probabilities[name][option.argmax()])
        latencies.append(clock.latency_ms(architecture.graph()))
        mean += chance * latencies[-1]
    assert len(latencies) == space.size
    assert float(expected(probabilities)) == pytest.approx(mean, rel=1e-12)
    assert expected.fastest == pytest.approx(min(latencies), rel=1e-12)
    assert expected.slowest == pytest.approx(max(latencies), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(RELAXED))
def test_what_is_certain_takes_what_the_table_says(name, clock):
    space = SPACES[name](**{**SMALL, **RELAXED[name]})
    expected = tabulate(space.relaxation(), clock)
    rng = random.Random(0)
    for _ in range(5):
        architecture = space.sample(rng)
        wanted = clock.latency_ms(architecture.graph())
        assert float(expected(certain(architecture))) == pytest.approx(wanted, rel=1e-12)


def test_cells_of_darts_count_every_edge(clock):
    """The relaxed cell keeps all 14 edges, what is derived from it eight."""
    space = SPACES["darts"](channels=4, cells=1, **SMALL)
    relaxation = space.relaxation()
    expected = tabulate(relaxation, clock)
    uniform = {edge.name: torch.ones(8) / 8 for edge in relaxation.edges}
    means = [float(extra.mean()) for extra in expected.extra.values()]
    assert float(expected(uniform)) == pytest.approx(expected.fastest + sum(means), rel=1e-6)
    assert expected.fastest < float(expected(uniform)) < expected.slowest


def test_every_edge_has_an_option_that_adds_nothing(clock):
    expected = tabulate(FewCells(channels=4, cells=1, **SMALL).relaxation(), clock)
    assert all(float(extra.min()) == 0 for extra in expected.extra.values())
    # A skip is a wire, a 1x1 convolution is not.
    assert all(extra[0] == 0 < extra[1] for extra in expected.extra.values())


def test_its_gradient_against_finite_differences(clock):
    expected = tabulate(FewCells(channels=4, cells=1, **SMALL).relaxation(), clock)
    generator = torch.Generator().manual_seed(1)
    alphas = [
        torch.randn(2, generator=generator, dtype=torch.float64, requires_grad=True)
        for _ in expected.extra
    ]

    def of(*alphas):
        return expected(
            {name: a.softmax(0) for name, a in zip(expected.extra, alphas, strict=True)}
        )

    assert torch.autograd.gradcheck(of, alphas, atol=1e-7, rtol=1e-6)


def test_the_table_is_written_once(clock, monkeypatch):
    writes = []
    monkeypatch.setattr(Clock, "_write", lambda self: writes.append(len(self)))
    tabulate(FewCells(channels=4, cells=1, **SMALL).relaxation(), clock)
    assert len(writes) == 2  # the operations, and the factor of the whole


@pytest.mark.parametrize(
    ("name", "strength", "wanted"),
    [
        # At a loss of 2, 30 ms expected and 20 wanted.
        ("mul_log", {}, 0.2 * 2 * (math.log(30) / math.log(20)) ** 0.3),
        ("mul_log", {"strength": 0.6}, 0.2 * 2 * (math.log(30) / math.log(20)) ** 0.6),
        ("add_linear", {}, 2 + 0.1 * 0.5),
        ("add_linear", {"strength": 0.2}, 2 + 0.2 * 0.5),
        ("paper", {"strength": 0.1}, 2 + 0.1 * 30),
        ("at_most", {"strength": 3.0}, 2 + 3 * 0.5),
    ],
)
def test_the_forms_of_the_loss(name, strength, wanted):
    loss, expected = torch.tensor(2.0), torch.tensor(30.0)
    assert float(LOSSES[name](loss, expected, 20.0, **strength)) == pytest.approx(wanted)


def test_below_the_target_only_the_others_count():
    loss, expected = torch.tensor(2.0), torch.tensor(10.0)
    assert float(LOSSES["at_most"](loss, expected, 20.0)) == 2
    assert float(LOSSES["add_linear"](loss, expected, 20.0)) == pytest.approx(2 - 0.1 * 0.5)
