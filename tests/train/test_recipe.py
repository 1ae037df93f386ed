from dataclasses import replace

import pytest

from nascout.errors import ConfigError, UnknownName
from nascout.train import recipes


def test_nasbench201_is_as_published():
    recipe = recipes["nasbench201"]
    published = {
        "epochs": 200,
        "batch_size": 256,
        "lr": 0.1,
        "lr_final": 0.0,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 5e-4,
        "flip": True,
    }
    assert {name: getattr(recipe, name) for name in published} == published
    assert recipe.padding(32, 32) == (4, 4)


def test_names_and_padding():
    assert set(recipes) >= {"shortlist", "final", "nasbench201"}
    assert all(recipes[name].name == name for name in recipes)
    assert recipes["shortlist"].padding(8, 28) == (1, 4)
    assert recipes["shortlist"].padding(3, 4) == (0, 1)
    with pytest.raises(UnknownName):
        recipes["shortlst"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", 1),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("momentum", 1.0),
        ("momentum", 0.0),
        ("weight_decay", -1e-4),
        ("label_smoothing", 1.0),
        ("crop_fraction", 1.5),
        ("warmup_epochs", -1),
        ("gradient_clip", 0.0),
        ("gradient_clip", -1.0),
        ("lr_final", 0.2),
    ],
)
def test_values_out_of_range_are_named(field, value):
    named = "nesterov" if (field, value) == ("momentum", 0.0) else field
    with pytest.raises(ConfigError, match=f"'shortlist' has {named} = "):
        replace(recipes["shortlist"], **{field: value})
