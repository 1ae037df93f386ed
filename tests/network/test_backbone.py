"""``build(..., features=True)``: the classifier's weights and values, and maps that train."""

import random

import pytest
import torch

from nascout.network import build
from nascout.space import SPACES


def cells():
    space = SPACES["darts"](channels=2, cells=4, input_shape=(1, 12, 12), auxiliary=True)
    return space.sample(random.Random(0))


def batch():
    return torch.randn(3, 1, 12, 12, generator=torch.Generator().manual_seed(0))


def test_weights_and_values_are_those_of_the_classifier():
    classifier, backbone = build(cells(), seed=5), build(cells(), seed=5, features=True)
    known = classifier.state_dict()
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, known[name]), name
    assert not any(name.startswith(("head", "auxiliary")) for name in backbone.state_dict())
    seen = {}
    for node, module in zip(classifier.graph, classifier.node_modules(), strict=True):
        if module is not None:
            module.register_forward_hook(lambda _, __, y, key=node.key: seen.update({key: y}))
    classifier(batch())
    maps = backbone(batch())
    # Of four cells, the second and third reduce.
    expected = [seen[f"cell{i}/concat"] for i in (0, 1, 3)]
    for ours, theirs in zip(maps, expected, strict=True):
        assert torch.equal(ours, theirs)


def test_strides_and_channels_are_those_of_the_maps():
    backbone = build(cells(), features=True)
    assert backbone.strides == (1, 2, 4)
    assert [tuple(x.shape) for x in backbone(batch())] == [
        (3, channels, 12 // stride, 12 // stride)
        for channels, stride in zip(backbone.channels, backbone.strides, strict=True)
    ]


def test_the_state_of_a_trained_classifier_loads():
    trained, backbone = build(cells(), seed=1), build(cells(), seed=2, features=True)
    missing, unexpected = backbone.load_state_dict(trained.state_dict(), strict=False)
    assert missing == []
    assert {name.partition(".")[0] for name in unexpected} == {"head", "auxiliary"}
    for ours, theirs in zip(
        backbone(batch()), build(cells(), seed=1, features=True)(batch()), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_one_resolution_is_still_a_list():
    space = SPACES["nasrl"](depth=2, input_shape=(1, 6, 6))
    (only,) = build(space.sample(random.Random(0)), features=True)(torch.zeros(2, 1, 6, 6))
    assert only.shape[2:] == (6, 6)


@pytest.mark.parametrize("used", [0, 1, 2])
def test_gradients_flow_from_every_map(used):
    backbone = build(cells(), features=True)
    backbone(batch())[used].square().sum().backward()
    parts = {n.partition(".")[0] for n, p in backbone.named_parameters() if p.grad is not None}
    assert parts == {"stem", *(f"cell{i}" for i in range((1, 2, 4)[used]))}
