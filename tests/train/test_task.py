"""Each task is learnt from data that hold its answer, and refuses outputs of another form."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import nascout
from nascout.data import split_targets
from nascout.errors import ConfigError, UnsupportedNetwork
from nascout.train import Augmentation, Recipe, Segmenter, fit, measure, tasks
from nascout.train.metrics import mean_absolute_error

PLAIN = Recipe("plain", "a test", 8, 16, 0.05, augmentation=Augmentation(crop_fraction=0.0))


def images(n=120, size=8):
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(0))


def net(outputs, size=8):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(size * size, outputs))


def test_several_labels_are_learnt():
    x = images(400, 3)
    y = torch.stack([x[:, 0, 0, 0] > 0.5, x[:, 0, 1, 1] > 0.5, x[:, 0, 2, 2] > 0.7], 1).float()
    split = split_targets(x, y)
    model = net(3, 3)
    before = measure(model, split.val, split, tasks["multilabel"])
    trained = fit(model, split, replace(PLAIN, epochs=30, lr=0.3), task="multilabel")
    assert trained.metric == "mean average precision, percent"
    assert trained.val_metric > max(90, before)


def test_a_linear_function_is_learnt_and_measured_in_two_ways():
    x = images()
    weight = torch.randn(64, 2, generator=torch.Generator().manual_seed(1)) / 8
    split = split_targets(x, x.flatten(1) @ weight)
    task = tasks["regression"]
    model = net(2)
    trained = fit(model, split, replace(PLAIN, epochs=60), task=task)
    assert trained.val_metric > 0.95
    error = replace(task, metric="error", higher_is_better=False, measure=mean_absolute_error)
    spread = (split.val.y - split.val.y.mean(0)).abs().mean().item()
    assert measure(model, split.val, split, error) < 0.25 * spread


def test_maps_are_learnt_by_features_with_a_head():
    x = images(60, 16)
    y = (x[:, 0] > 0.7).long()
    split = split_targets(x, y)
    space = nascout.space("nasbench201", channels=8, cells=1, input_shape=(1, 16, 16))
    features = nascout.build(space.parse(space.known["nasbench201_resnet"]), features=True)
    model = Segmenter(features, split.classes, width=16)
    before = measure(model, split.val, split, tasks["segmentation"])
    recipe = replace(PLAIN, lr=0.1, augmentation=Augmentation(flip=True))
    trained = fit(model, split, recipe, task="segmentation")
    assert trained.val_metric > max(60, before)


class Copy(nn.Module):
    """Says of every pixel the class that its value is; remembers how often it was wrong."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.seen = []

    def forward(self, x):
        self.seen.append(x)
        return torch.stack([-x[:, 0], x[:, 0]], 1) * 99 * self.scale


def test_maps_move_with_their_images():
    """Where the image says the class itself, the loss is 0 however both are cropped, mirrored."""
    y = torch.randint(2, (40, 6, 6), generator=torch.Generator().manual_seed(0))
    split = split_targets((y[:, None] * 2.0) - 1, y, flip=True)
    split = replace(split, mean=torch.zeros(1), std=torch.ones(1))
    recipe = replace(PLAIN, epochs=1, augmentation=Augmentation(crop_fraction=0.5))
    model = Copy()
    assert fit(model, split, recipe, task="segmentation").train_loss < 1e-6
    assert any((x == 0).any() for x in model.seen)  # some pixels came from the padding


@pytest.mark.parametrize(
    ("task", "outputs", "wanted"),
    [
        ("multilabel", 3, "n, 2"),
        ("regression", 1, "n, 2"),
        ("segmentation", 2, "n, 1, 8, 8"),
    ],
)
def test_outputs_of_another_form_are_refused(task, outputs, wanted):
    y = torch.zeros(120, 8, 8, dtype=torch.int64) if task == "segmentation" else torch.rand(120, 2)
    with pytest.raises(UnsupportedNetwork, match=wanted):
        fit(net(outputs), split_targets(images(), y), PLAIN, task=task)


@pytest.mark.parametrize("how", [{"cutmix": 1.0}, {"randaugment": 2}])
def test_augmentations_that_do_not_move_maps_are_refused(how):
    x = (images() * 255).to(torch.uint8)
    split = split_targets(x, torch.zeros(120, 8, 8, dtype=torch.int64))
    with pytest.raises(ConfigError, match="do not move the maps"):
        fit(net(2), split, replace(PLAIN, augmentation=Augmentation(**how)), task="segmentation")


def test_randaugment_wants_8_bit_images():
    split = split_targets(images(), torch.rand(120))
    with pytest.raises(ConfigError, match="8-bit"):
        fit(
            net(1),
            split,
            replace(PLAIN, augmentation=Augmentation(randaugment=1)),
            task="regression",
        )
