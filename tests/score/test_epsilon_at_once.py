"""Epsilon of many graphs together is epsilon of each network."""

import math
import random
import sys

import pytest
import torch

from nascout.errors import UnsupportedNetwork
from nascout.graph import Builder
from nascout.graph.ops import GlobalAvgPool, Linear
from nascout.network import build, lowering
from nascout.network.collapsed_ops import _TABLE
from nascout.score.card import SCORES
from nascout.score.epsilon import epsilon, epsilon_at_once
from nascout.score.evaluate import evaluate
from nascout.space import SPACES
from nascout.space.nasbench201 import NasBench201

SMALL = {
    "amoebanet": {"input_shape": (3, 9, 8), "channels": 4, "cells": 1, "blocks": 3},
    "darts": {"input_shape": (3, 9, 8), "channels": 4, "cells": 3},
    "enas_macro": {"input_shape": (3, 9, 8), "channels": 4, "layers": 4},
    "enas_micro": {"input_shape": (3, 9, 8), "channels": 4, "cells": 1, "blocks": 3},
    "fbnet": {"input_shape": (3, 33, 32), "channels": 8, "last": 16},
    "freeform": {"input_shape": (3, 9, 8), "channels": 8},
    "growing": {"input_shape": (3, 9, 8), "channels": 4},
    "mnasnet": {"input_shape": (3, 33, 32), "channels": 8},
    "nasbench101": {"input_shape": (3, 9, 8), "channels": 8, "cells": 1},
    "nasbench201": {"input_shape": (3, 9, 8), "channels": 4, "cells": 1},
    "nasbench_macro": {"input_shape": (3, 9, 8), "channels": 4},
    "nasnet": {"input_shape": (3, 9, 8), "channels": 4, "cells": 1, "blocks": 3},
    "nasrl": {"input_shape": (3, 9, 8), "depth": 4, "filters": (2, 4)},
    "nats_size": {"input_shape": (3, 9, 8)},
    "pnas": {"input_shape": (3, 9, 8), "channels": 4, "cells": 1, "blocks": 3},
    "proxylessnas": {"input_shape": (3, 33, 32), "divisor": 8},
    "transnasbench101_macro": {"input_shape": (3, 17, 16), "channels": 8},
    "transnasbench101_micro": {"input_shape": (3, 17, 16), "channels": 4},
}


def drawn(name, count, seed=0):
    space = SPACES[name](**SMALL[name])
    rng = random.Random(seed)
    x = torch.randn(12, *space.input_shape, generator=torch.Generator().manual_seed(seed))
    return [space.sample(rng) for _ in range(count)], x


def test_every_space_of_images_is_tried():
    assert set(SMALL) == {name for name in SPACES if len(SPACES[name]().input_shapes) == 1}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_it_is_the_score_of_the_network(name, dtype):
    architectures, x = drawn(name, 6)
    x = x.to(dtype)
    together = epsilon_at_once([one.graph() for one in architectures], x)
    expected = [epsilon(build(one, dtype=dtype), x) for one in architectures]
    relative = 1e-6 if dtype == torch.float64 else 1e-4
    assert list(together) == pytest.approx(expected, rel=relative, abs=1e-6, nan_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("inputs", ["noise256", "grey256"])
def test_it_is_the_released_code(anchor_scores, noise, inputs):
    """All ten cells, finite and undefined ones; finite in float64."""
    scores = anchor_scores("epsinas")
    graphs = [NasBench201().parse(text).graph() for text in scores]
    grey = (torch.arange(256.0) / 256).view(-1, 1, 1, 1).expand(256, 3, 32, 32)
    x = noise(2, 256) if inputs == "noise256" else grey
    expected = [entry[inputs] for entry in scores.values()]
    given = list(epsilon_at_once(graphs, x))
    assert given == pytest.approx(expected, rel=1e-5, abs=2e-6, nan_ok=True)
    assert {math.isnan(value) for value in given} == {True, False}
    double = [entry[f"{inputs}_float64"] for entry in scores.values()]
    assert list(epsilon_at_once(graphs, x.double())) == pytest.approx(double, rel=1e-9)


def test_lists_of_architectures_are_scored_together(monkeypatch):
    architectures, x = drawn("nasbench201", 5)
    expected = [evaluate(one, x, "epsilon") for one in architectures]
    monkeypatch.setattr(sys.modules["nascout.score.evaluate"], "build", None)
    scores = evaluate(architectures, x, "epsilon", seeds=2)
    assert [one.outcome for one in scores] == [one.outcome for one in expected]
    for one, alone in zip(scores, expected, strict=True):
        assert one.value == pytest.approx(alone.value, rel=1e-5, abs=1e-6, nan_ok=True)
    assert SCORES["epsilon"].at_once is epsilon_at_once


def test_more_graphs_than_are_read_at_a_time(monkeypatch):
    monkeypatch.setattr(sys.modules["nascout.score.epsilon"], "CHUNK", 2)
    monkeypatch.setattr("nascout.network.collapsed.KNOWN", 10)
    architectures, x = drawn("nasbench201", 5)
    graphs = [one.graph() for one in architectures]
    by_twos = list(epsilon_at_once(graphs, x.double()))
    monkeypatch.undo()
    assert by_twos == pytest.approx(list(epsilon_at_once(graphs, x.double())), nan_ok=True)


def test_an_op_without_a_collapsed_form_is_scored_by_itself(monkeypatch):
    architectures, x = drawn("nasbench201", 4)
    expected = [evaluate(one, x, "epsilon").value for one in architectures]
    pool = next(kind for kind in lowering._TABLE if kind.__name__ == "AvgPool")
    monkeypatch.delitem(_TABLE, pool)
    together = list(epsilon_at_once([one.graph() for one in architectures], x))
    assert all(isinstance(one, UnsupportedNetwork) for one in together)
    scores = [one.value for one in evaluate(architectures, x, "epsilon")]
    assert scores == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    "x",
    [
        torch.ones(4, 3, 9, 8, dtype=torch.bfloat16),
        torch.ones(4, 3, 9, 8, dtype=torch.long),
        torch.ones(4, 3, 8, 8),
        (torch.ones(4, 3, 9, 8), torch.ones(4, 1)),
        (torch.ones(4, 3, 9, 8), torch.ones(3, 1)),
        {"x": torch.ones(4, 3, 9, 8)},
        None,
    ],
    ids=["bfloat16", "integers", "size", "inputs", "lengths", "names", "nothing"],
)
def test_a_batch_that_it_does_not_take(x):
    (architecture,), _ = drawn("nasbench201", 1)
    (found,) = epsilon_at_once([architecture.graph()], x)
    assert isinstance(found, UnsupportedNetwork)


def test_samples_that_are_alike_are_undefined():
    g = Builder()
    graph = g.graph(g.chain((GlobalAvgPool(), Linear(2)), g.input((3, 2, 2)), key="net"))
    assert math.isnan(next(epsilon_at_once([graph], torch.ones(4, 3, 2, 2))))
