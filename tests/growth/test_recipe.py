"""A network that was grown is where the next growth starts from."""

import json

import pytest
import torch
from torch import nn

from nascout.errors import ConfigError
from nascout.growth import (
    Addition,
    add,
    grown_from,
    load_grown,
    places,
    recipe_of,
    save_grown,
    trace,
)

X = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
FIRST = Addition("1", (("0", "linear_tanh"),))
SECOND = Addition("1", (("growth0", "identity"), ("input", "linear_relu")))


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def grown():
    """With an addition that takes part."""
    child = add(trace(model(), X), [FIRST])
    with torch.no_grad():
        child.get_submodule("growth0").gate.fill_(0.5)
    return child


def names(net):
    return [place.name for place in places(net)]


def test_tracing_a_grown_network_changes_no_name():
    child = grown()
    again = trace(child, X)
    assert names(again) == names(child) == ["0", "growth0", "1", "2"]
    assert recipe_of(again) == recipe_of(child)
    assert torch.equal(again(X), child(X))


def test_what_a_model_has_is_not_added_again(tmp_path):
    child = add(trace(grown(), X), [SECOND])
    recipe = recipe_of(child)
    assert [one["place"] for one in json.loads(recipe)["additions"]] == ["1", "1"]
    from_first, from_grown = (grown_from(start, recipe) for start in (model(), grown()))
    assert names(from_first) == names(from_grown) == names(child)
    save_grown(child, tmp_path)
    for make in (model, grown):
        assert torch.equal(load_grown(tmp_path, make)(X), child.eval()(X))


def test_a_recipe_that_does_not_begin_with_what_the_model_has():
    other = add(trace(model(), X), [Addition("0", (("input", "identity"),))])
    with pytest.raises(ConfigError, match="another network"):
        grown_from(grown(), recipe_of(other))
    with pytest.raises(ConfigError, match="another network"):
        grown_from(grown(), recipe_of(trace(model(), X)))
