import math
from dataclasses import replace

import pytest
import torch

from nascout.errors import ConfigError
from nascout.train import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    Linear,
    Recipe,
    Steps,
    learning_rate,
    recipes,
)


def made(schedule, epochs, lr=0.1, warmup=0.0):
    return Recipe("test", "none", epochs, 8, lr, schedule=schedule, warmup_epochs=warmup)


def torchs(scheduler, steps, lr=0.1, **options):
    """The rates that torch's own scheduler gives."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    reference, rates = scheduler(optimizer, **options), []
    for _ in range(steps):
        rates.append(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()
    return rates


def rates(recipe, per_epoch):
    return [learning_rate(recipe, s, per_epoch) for s in range(recipe.epochs * per_epoch)]


@pytest.mark.parametrize(
    ("schedule", "scheduler", "options"),
    [
        (Constant(), "ConstantLR", {"factor": 1.0}),
        (Linear(0.02), "LinearLR", {"start_factor": 1.0, "end_factor": 0.2, "total_iters": 30}),
        (Cosine(0.004), "CosineAnnealingLR", {"T_max": 30, "eta_min": 0.004}),
        (
            CosineRestarts(first=2, factor=2, final=0.01),
            "CosineAnnealingWarmRestarts",
            {"T_0": 6, "T_mult": 2, "eta_min": 0.01},
        ),
        (Exponential(0.9, every=2), "StepLR", {"step_size": 6, "gamma": 0.9}),
        (Steps((0.5, 0.8), 0.1), "MultiStepLR", {"milestones": [15, 24], "gamma": 0.1}),
    ],
)
def test_ten_epochs_of_three_steps_are_as_torch_schedules_them(schedule, scheduler, options):
    expected = torchs(getattr(torch.optim.lr_scheduler, scheduler), 30, **options)
    assert rates(made(schedule, 10), 3) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("schedule", [Cosine(0.01, True), CosineRestarts(2, 2, 0.01, True)])
def test_a_rate_may_hold_for_an_epoch(schedule):
    found = rates(made(schedule, 6), 4)
    free = rates(made(replace(schedule, per_epoch=False), 6), 4)
    assert found == [free[4 * (step // 4)] for step in range(24)]


def test_warmup_is_linear_and_reaches_the_peak():
    found = rates(made(Cosine(), 5, lr=2.0, warmup=1), 4)[:5]
    assert found == [0.5, 1.0, 1.5, 2.0, 2.0]


def test_closed_form_after_warmup():
    t = (11 - 4) / (20 - 4)
    expected = 0.1 + 1.9 * math.cos(math.pi * t / 2) ** 2  # half-angle form of the cosine
    recipe = made(Cosine(0.1), 5, lr=2.0, warmup=1)
    assert learning_rate(recipe, 11, 4) == pytest.approx(expected)


def test_warmup_takes_at_most_half():
    assert rates(made(Constant(), 2, lr=1.0, warmup=9), 2) == [0.5, 1.0, 1.0, 1.0]


def test_darts_on_cifar():
    """0.025 (1 + cos(pi e / 600)) / 2 in epoch e, whatever the step; 520 steps of 96 images."""
    for epoch, expected in ((0, 0.025), (200, 0.01875), (300, 0.0125), (400, 0.00625)):
        for step in (0, 259, 519):
            found = learning_rate(recipes["darts_cifar10"], epoch * 520 + step, 520)
            assert found == pytest.approx(expected)


def test_darts_on_imagenet_and_nasbench201():
    assert learning_rate(recipes["darts_imagenet"], 10 * 7 + 6, 7) == pytest.approx(0.1 * 0.97**10)
    # A third of the way: (1 + 1/2) / 2 of the peak.
    found = learning_rate(recipes["nasbench201_12"], 4 * 98, 98)
    assert found == pytest.approx(0.075)


def test_enas_restarts_after_10_30_70_150_310_epochs():
    recipe = recipes["enas_micro_final"]
    for epoch in (0, 10, 30, 70, 150, 310):
        assert learning_rate(recipe, epoch * 5, 5) == pytest.approx(0.05)
    # Its six periods fill the training: 10 (2^6 - 1) = 630 epochs.
    t = (629 - 310) / 320
    expected = 1e-4 + (0.05 - 1e-4) * math.cos(math.pi * t / 2) ** 2
    assert learning_rate(recipe, 630 * 5 - 1, 5) == pytest.approx(expected)


def test_nasnet_decays_every_2_4_epochs():
    recipe = recipes["nasnet_imagenet"]
    for step, power in ((23, 0), (24, 1), (119, 4), (120, 5)):  # ten steps per epoch
        assert learning_rate(recipe, step, 10) == pytest.approx(1.5 * 0.97**power)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Exponential, {"factor": 0.0}),
        (Exponential, {"factor": 0.5, "every": 0}),
        (Steps, {"at": (1.0,)}),
        (Steps, {"factor": 2}),
        (CosineRestarts, {"first": 0}),
        (CosineRestarts, {"factor": 0.5}),
    ],
)
def test_values_out_of_range_are_refused(kind, options):
    with pytest.raises(ConfigError, match=f"{kind.__name__} has"):
        kind(**options)
