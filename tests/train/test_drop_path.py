import random
from dataclasses import replace

import pytest
import torch
from torch import nn

import nascout
from nascout.data import as_data
from nascout.errors import UnsupportedNetwork
from nascout.graph.paths import find_paths
from nascout.network.source import to_source
from nascout.train import Augmentation, DropPath, Recipe, Segmenter, fit, recipes
from nascout.train.drop_path import Training, drop, dropping_paths


def network(name="darts", seed=0, **sizes):
    small = {"channels": 4, "cells": 3, "input_shape": (3, 8, 8)}
    known = nascout.space(name).parameters()
    space = nascout.space(name, **{k: v for k, v in (small | sizes).items() if k in known})
    return nascout.build(space.sample(random.Random(seed)))


def test_the_rate_grows_linearly_and_by_layer():
    scheduled = DropPath(0.4)
    rates = [scheduled.rate(step / 100) for step in range(101)]
    assert rates == pytest.approx([0.004 * step for step in range(101)])
    assert {DropPath(0.4, scheduled=False).rate(p) for p in (0.0, 0.3, 1.0)} == {0.4}
    # NASNet's and ENAS's code: keep = 1 - progress (1 - (1 - layer / layers (1 - keep))).
    for progress in (0.0, 0.25, 1.0):
        for layer in (1, 7, 20):
            keep = 1 - progress * (1 - (1 - layer / 20 * (1 - 0.6)))
            found = DropPath(0.4, by_layer=True).rate(progress, layer / 20)
            assert 1 - found == pytest.approx(keep)


def test_drop_is_per_sample_and_keeps_the_expectation():
    torch.manual_seed(0)
    x = torch.rand(20000, 2, 1, 2) + 1
    out = drop(x, 0.3)
    gone = (out == 0).flatten(1)
    assert torch.equal(gone.all(1), gone.any(1))
    assert torch.allclose(out[~gone[:, 0]], x[~gone[:, 0]] / 0.7)
    assert abs(gone[:, 0].double().mean().item() - 0.3) < 5 * (0.21 / 20000) ** 0.5
    ratio = (out.double().mean(0) / x.double().mean(0)).flatten()
    assert (ratio - 1).abs().max() < 5 * (0.3 / 0.7 / 20000) ** 0.5


def test_nothing_is_drawn_at_a_rate_of_zero():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    x = torch.rand(3, 2)
    torch.set_rng_state(before)
    assert drop(x, 0.0) is x
    assert torch.equal(torch.get_rng_state(), before)


SIZES = {
    "darts": {},
    "nasnet": {},
    "enas_micro": {},
    "nasbench201": {"cells": 1},
    "proxylessnas": {"input_shape": (3, 64, 64)},
}


def outputs_seen(net, seen):
    """Remember the outputs of every node's module, as they stand when this hook is called."""
    for index, module in enumerate(net.node_modules()):
        if module is not None:
            module.register_forward_hook(
                lambda _, inputs, out, index=index: seen.__setitem__(index, out)
            )


@pytest.mark.parametrize("name", SIZES)
def test_what_reaches_a_sum_is_the_path_or_nothing(name):
    """Every path's output is 0 or scaled; identities and all else pass as they are."""
    net = network(name, **SIZES[name])
    paths = {path.node for path in find_paths(net.graph)}
    given, arrived = {}, {}
    outputs_seen(net, given)
    torch.manual_seed(0)
    with dropping_paths(net, DropPath(0.5, scheduled=False), Training()):
        outputs_seen(net, arrived)
        net(torch.rand(64, *net.graph.shapes[0]))
    assert paths
    for index, out in given.items():
        if index not in paths:
            assert arrived[index] is out, net.graph.nodes[index].key
            continue
        gone = (arrived[index].flatten(1) == 0).all(1)
        assert torch.allclose(arrived[index][~gone], 2 * out[~gone])
        assert 8 < gone.sum() < 56  # of 64 at one half: six standard deviations


def test_evaluation_weights_source_and_network_are_as_without_it():
    net, x = network(), torch.rand(4, 3, 8, 8)
    text, keys = to_source(net.graph), list(net.state_dict())
    expected = net.eval()(x)
    with dropping_paths(net, DropPath(0.9, scheduled=False), Training()):
        assert torch.equal(net(x), expected)
        assert (to_source(net.graph), list(net.state_dict())) == (text, keys)
        torch.manual_seed(0)
        assert not torch.equal(net.train()(x), expected)
    assert all(not module._forward_hooks for module in net.modules())


def test_a_training_raises_the_rate_step_by_step():
    net = network()
    torch.manual_seed(0)
    split = as_data((torch.rand(40, 3, 8, 8), torch.arange(40) % 10), test_fraction=0).split()
    recipe = Recipe(
        "test", "none", 2, 8, 0.01,
        augmentation=Augmentation(crop_fraction=0.0), drop_path=DropPath(0.8),
    )  # fmt: skip
    module = net.node_modules()[find_paths(net.graph)[0].node]
    seen = []
    hooks = module._forward_hooks

    def look(step):
        (hook,) = hooks.values()
        seen.append(hook.how.rate(hook.training.progress, hook.depth))

    fit(net, split, recipe, on_step=look)
    steps = len(seen)
    assert steps > 4
    assert seen == pytest.approx([0.8 * step / steps for step in range(steps)])
    assert not hooks


def test_networks_of_others_have_no_paths_and_parts_of_ours_have():
    split = as_data((torch.rand(40, 3, 8, 8), torch.arange(40) % 10), test_fraction=0).split()
    recipe = replace(recipes["shortlist"], drop_path=DropPath(0.5), epochs=1)
    with pytest.raises(UnsupportedNetwork, match="drop_path"):
        fit(nn.Sequential(nn.Flatten(), nn.Linear(192, 10)), split, recipe)
    backbone = nascout.build(
        nascout.space("darts", channels=4, cells=3, input_shape=(3, 8, 8)).sample(random.Random(0)),
        features=True,
    )
    net = Segmenter(backbone, 4)
    with dropping_paths(net, DropPath(0.5), Training()):
        assert any(module._forward_hooks for module in net.modules())
