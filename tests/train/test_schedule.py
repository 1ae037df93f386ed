import math

import pytest
import torch

from nascout.train.schedule import learning_rate


def test_without_warmup_it_is_torchs_cosine():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=37, eta_min=0.004)
    for step in range(37):
        ours = learning_rate(step, 37, peak=0.1, final=0.004)
        assert ours == pytest.approx(reference.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        reference.step()


def test_warmup_is_linear_and_reaches_the_peak():
    rates = [learning_rate(s, 20, peak=2.0, warmup_steps=4) for s in range(5)]
    assert rates == [0.5, 1.0, 1.5, 2.0, 2.0]


def test_closed_form_after_warmup():
    t = (11 - 4) / (20 - 4)
    expected = 0.1 + 1.9 * math.cos(math.pi * t / 2) ** 2  # half-angle form of the cosine
    assert learning_rate(11, 20, peak=2.0, warmup_steps=4, final=0.1) == pytest.approx(expected)
