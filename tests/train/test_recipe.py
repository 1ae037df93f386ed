from dataclasses import replace

import pytest

from nascout.errors import ConfigError, UnknownName
from nascout.train import AdamW, Augmentation, Constant, Cosine, DropPath, RmsProp, Sgd, recipes


def test_nasbench201_is_as_published():
    recipe = recipes["nasbench201"]
    assert (recipe.epochs, recipe.batch_size, recipe.lr) == (200, 256, 0.1)
    assert recipe.schedule == Cosine(0.0)
    assert recipe.optimizer == Sgd(
        momentum=0.9, nesterov=True, weight_decay=5e-4, decay_norm_and_bias=True
    )
    assert recipe.augmentation.flip is True
    assert recipe.augmentation.padding(32, 32) == (4, 4)
    assert replace(recipes["nasbench201_12"], name="", source="", epochs=200) == replace(
        recipe, name="", source=""
    )


def test_darts_is_as_published():
    recipe = recipes["darts_cifar10"]
    assert (recipe.epochs, recipe.batch_size, recipe.lr) == (600, 96, 0.025)
    assert (recipe.auxiliary_weight, recipe.gradient_clip) == (0.4, 5.0)
    assert recipe.drop_path == DropPath(0.2, scheduled=True, by_layer=False)
    assert recipe.augmentation.cutout * 32 == 16
    assert (recipe.optimizer.weight_decay, recipe.optimizer.nesterov) == (3e-4, False)


def test_nasnet_on_imagenet_takes_250000_steps():
    recipe = recipes["nasnet_imagenet"]
    assert recipe.epochs * (1_281_167 // recipe.batch_size) == pytest.approx(250_000, rel=0.002)
    assert (recipe.optimizer.smoothing, recipe.optimizer.epsilon) == (0.9, 1.0)
    assert (recipe.ema_decay, recipe.label_smoothing, recipe.dropout) == (0.9999, 0.1, 0.5)


def test_names_and_padding():
    assert set(recipes) == {
        "darts_cifar10", "darts_imagenet", "enas_micro_final", "final", "nasbench201",
        "nasbench201_12", "nasnet_cifar10", "nasnet_imagenet", "petridish",
        "proxylessnas_imagenet", "shortlist",
    }  # fmt: skip
    assert all(recipes[name].name == name for name in recipes)
    assert Augmentation().padding(8, 28) == (1, 4)
    assert Augmentation().padding(3, 4) == (0, 1)
    with pytest.raises(UnknownName):
        recipes["shortlst"]


def test_the_plain_content_tells_kinds_apart():
    one, other = (replace(recipes["final"], schedule=s).as_dict() for s in (Constant(), Cosine()))
    assert one["schedule"] == {"kind": "Constant"}
    assert other["schedule"] == {"kind": "Cosine", "final": 0.0, "per_epoch": False}
    assert one["optimizer"]["kind"] == "Sgd"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", 1),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("label_smoothing", 1.0),
        ("warmup_epochs", -1),
        ("gradient_clip", 0.0),
        ("gradient_clip", -1.0),
        ("auxiliary_weight", -0.1),
        ("dropout", 1.0),
        ("ema_decay", 1.0),
        ("schedule", Cosine(0.2)),
    ],
)
def test_values_out_of_range_are_named(field, value):
    with pytest.raises(ConfigError, match=f"'shortlist' has {field} = "):
        replace(recipes["shortlist"], **{field: value})


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (Sgd, "momentum", 1.0),
        (Sgd, "weight_decay", -1e-4),
        (RmsProp, "smoothing", 1.0),
        (RmsProp, "momentum", -0.1),
        (RmsProp, "epsilon", 0.0),
        (AdamW, "betas", (0.9, 1.0)),
        (AdamW, "epsilon", 0.0),
        (Augmentation, "crop_fraction", 1.5),
        (Augmentation, "cutout", -0.1),
        (Augmentation, "mixup", -1),
        (Augmentation, "cutmix", float("inf")),
        (Augmentation, "randaugment", -1),
        (Augmentation, "magnitude", 2),
        (DropPath, "final", 1.0),
    ],
)
def test_values_of_parts_out_of_range_are_named(kind, field, value):
    with pytest.raises(ConfigError, match=f" has {field} = "):
        kind(**{field: value})
    with pytest.raises(ConfigError, match="Sgd has nesterov = True"):
        Sgd(momentum=0.0)
