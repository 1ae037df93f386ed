"""A population computes what its networks compute."""

import random

import pytest
import torch

from nascout.graph import Builder
from nascout.graph.cuts import Truncate
from nascout.graph.lockstep import lockstep
from nascout.graph.merged import merge
from nascout.graph.ops import AvgPool, BatchNorm, Conv2d, ReLU
from nascout.network import build
from nascout.network.batch_statistics import batch_norm
from nascout.network.population import Population
from nascout.space import SPACES

SMALL = {
    "nasbench201": {"channels": 4, "cells": 1, "input_shape": (3, 8, 8)},
    "nasbench101": {"channels": 8, "stacks": 2, "cells": 1, "input_shape": (3, 8, 8)},
    "nasbench_macro": {"input_shape": (3, 16, 16)},
    "transnasbench101_macro": {"input_shape": (3, 32, 32)},
}


def sampled(name, count, **options):
    space = SPACES[name](**(SMALL[name] | options))
    return [space.sample(random.Random(seed)).graph() for seed in range(count)]


def batch_for(graph, n, dtype=torch.float32):
    shape = graph.shapes[graph.inputs[0]]
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(0)).to(dtype)


def outputs(graphs, x, seed=1, **options):
    population = Population(seed, x.device, x.dtype, **options)
    with torch.no_grad():
        return [output for (output,) in population(merge(graphs), [x])]


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_every_network_gives_what_it_gives_alone(name, kept):
    """Together, since small tensors run in one call, and, if kept, one after the other."""
    graphs = sampled(name, 3)
    x = batch_for(graphs[0], 6, torch.float64)
    for graph, output in zip(graphs, outputs(graphs, x, kept=kept), strict=True):
        alone = build(graph, 1, dtype=torch.float64)(x)
        torch.testing.assert_close(output, alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.1)])
def test_in_lower_precision(dtype, tolerance):
    """Maps of 16 x 32 x 32 are too large to run together, and have their own fast operations."""
    graphs = sampled("nasbench201", 2, channels=16, input_shape=(3, 32, 32))
    x = batch_for(graphs[0], 16, dtype)
    for graph, output in zip(graphs, outputs(graphs, x), strict=True):
        exact = build(graph, 1, dtype=torch.float64)(x.double()).detach()
        assert float((output.double() - exact).norm() / exact.norm()) < tolerance


def test_readers_see_every_slot_once_and_the_input_stays():
    graphs = sampled("nasbench201", 3)
    merged, x, seen = merge(graphs), batch_for(graphs[0], 4), []
    readers = {i: lambda z, i=i: seen.append((i, z.shape)) for i in range(len(merged.slots))}
    before = x.clone()
    list(Population(0, x.device, x.dtype)(merged, [x], readers))
    assert sorted(seen) == [(i, (4, *slot.shape)) for i, slot in enumerate(merged.slots)]
    assert torch.equal(x, before)


def test_what_shares_memory_with_its_source_is_not_overwritten():
    """The cut channels are read by a ReLU alone, which works in place; the map is read again."""
    g = Builder()
    x = g.input((3, 8, 8))
    wide = g.node(Conv2d(4, 3), x, key="conv")
    cut = g.chain((Truncate(2), ReLU()), wide, key="cut")
    graph = g.graph(g.node(Conv2d(1, 1), g.concat(cut, wide, key="join"), key="last"))
    x = batch_for(graph, 5, torch.float64)
    torch.testing.assert_close(outputs([graph], x)[0], build(graph, 1, dtype=x.dtype)(x))


@pytest.mark.parametrize(
    "options", [(3, 1), (3, 2), (2, 2), ((3, 1), 1, (1, 0)), (5, 1), (2, 2, 0, True), (9, 1)]
)
def test_average_pooling_by_convolution(options):
    g = Builder()
    graph = g.graph(g.node(AvgPool(*options), g.input((4, 9, 9)), key="pool"))
    x = batch_for(graph, 3)
    torch.testing.assert_close(outputs([graph], x)[0], build(graph)(x))


def test_batch_statistics_stay_those_of_each_network():
    def normalised(key):
        g = Builder()
        x = g.input((3, 4, 4))
        return g.graph(g.node(BatchNorm(), g.node(Conv2d(3, 3), x, key=key), key="norm"))

    graphs = [normalised(key) for key in "abcd"]
    merged = merge(graphs)
    assert any(len(step) > 1 for step in lockstep(merged, lambda slot: 4))
    x = batch_for(graphs[0], 5, torch.float64)
    for graph, output in zip(graphs, outputs(graphs, x), strict=True):
        torch.testing.assert_close(output, build(graph, 1, dtype=x.dtype)(x))


def test_sums_normalise_what_only_they_read():
    """Maps too large to run together; the second one is read by itself, too."""
    g = Builder()
    x = g.input((4, 32, 32))
    one, two = (g.chain((Conv2d(4, 3), BatchNorm()), x, key=key) for key in ("one", "two"))
    pooled = g.node(AvgPool(3), x, key="pool")
    graph = g.graph(g.node(ReLU(), g.add(pooled, one, two, x, key="sum"), key="last"), two)
    x = batch_for(graph, 64)
    merged = merge([graph])
    seen = {}
    readers = {i: lambda z, i=i: seen.update({i: z.clone()}) for i in merged.places[0][-1:]}
    with torch.no_grad():
        (found,) = Population(1, x.device, x.dtype)(merged, [x], readers)
        expected = build(graph, 1)(x)
    for y, z in zip((*found, *seen.values()), (*expected, expected[0]), strict=True):
        torch.testing.assert_close(y, z, rtol=1e-4, atol=1e-5)


def test_precise_batch_statistics_and_their_gradient():
    """With channels last PyTorch's own loses digits; float64 tells."""
    x = torch.randn(64, 16, 32, 32, generator=torch.Generator().manual_seed(0)).relu()
    slope = torch.randn(64, 16, 32, 32, generator=torch.Generator().manual_seed(1))

    def both(x, slope):
        x = x.requires_grad_()
        y = batch_norm(x)
        y.backward(slope)
        return y.detach().double(), x.grad.double()

    last = x.contiguous(memory_format=torch.channels_last)
    exact = both(x.double(), slope.double())
    for found, expected in zip(both(last, slope), exact, strict=True):
        assert float((found - expected).abs().max() / expected.abs().max()) < 5e-6
