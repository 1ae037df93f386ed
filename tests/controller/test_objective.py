"""Gradients against closed forms."""

import math

import pytest
import torch

from nascout.controller.objective import ppo_loss, reinforce_loss
from nascout.controller.policy import Policy

DOUBLE = {"dtype": torch.float64}


def test_two_arms():
    """d/dlogits of -A log p(arm) is -A (one-hot - p)."""
    logits = torch.tensor([0.3, -0.2], **DOUBLE, requires_grad=True)
    p = 1 / (1 + math.exp(-0.5))
    pulled, advantages = [0, 1, 0], torch.tensor([2.0, -1.0, 0.5], **DOUBLE)
    reinforce_loss(logits.log_softmax(0)[pulled].unsqueeze(1), advantages).backward()
    first = -(2.0 * (1 - p) - 1.0 * (0 - p) + 0.5 * (1 - p)) / 3
    assert logits.grad.tolist() == pytest.approx([first, -first])


@pytest.mark.parametrize("baseline", [0.0, 0.4, -3.0])
def test_on_average_it_climbs_the_expected_reward(branching, baseline):
    """Over all architectures, each with its probability; whatever the baseline is."""
    policy, architectures = Policy(branching, units=4, spread=1.0), list(branching)
    taken = policy.numbers(architectures)
    rewards = torch.linspace(-1, 2, len(architectures), **DOUBLE) ** 3
    log_p, _ = policy(taken)
    weights = log_p.detach().sum(1).exp() * len(architectures)
    reinforce_loss(log_p, weights * (rewards - baseline)).backward()
    found = {name: one.grad.clone() for name, one in policy.named_parameters()}

    def expected():
        with torch.no_grad():
            return float(policy(taken)[0].sum(1).exp() @ rewards)

    for name, parameter in policy.named_parameters():
        index = tuple(size // 2 for size in parameter.shape)
        values = []
        for change in (1e-5, -2e-5):
            parameter.data[index] += change
            values.append(expected())
        parameter.data[index] += 1e-5
        slope = (values[0] - values[1]) / 2e-5
        assert float(found[name][index]) == pytest.approx(-slope, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "slope"),
    [
        # On the way the advantage wants: up to the clip, and no further.
        (1.1, 2.0, 2.2, 2.0),
        (1.5, 2.0, 2.4, 0.0),
        (0.9, -2.0, -1.8, -2.0),
        (0.5, -2.0, -1.6, 0.0),
        # The other way: the whole penalty, and the whole gradient back.
        (0.5, 2.0, 1.0, 2.0),
        (1.5, -2.0, -3.0, -2.0),
        (1.0, 2.0, 2.0, 2.0),
    ],
)
def test_one_decision_of_ppo(ratio, advantage, value, slope):
    """Value and slope in the ratio; the slope in log p is the ratio times that."""
    before = torch.tensor([[math.log(0.3)]], **DOUBLE)
    log_p = (before + math.log(ratio)).requires_grad_()
    loss = ppo_loss(log_p, before, torch.tensor([advantage], **DOUBLE), 0.2)
    loss.backward()
    assert loss.item() == pytest.approx(-value)
    assert log_p.grad.item() == pytest.approx(-slope * ratio)


def test_ppo_sums_decisions_and_averages_architectures():
    ratios = [[1.1, 0.7, 1.0], [1.4, 0.95, 1.0]]
    advantages = [1.5, -0.5]
    expected = 0.0
    for row, advantage in zip(ratios, advantages, strict=True):
        for r in row:
            expected -= min(r * advantage, min(max(r, 0.9), 1.1) * advantage) / 2
    before = torch.full((2, 3), -1.0, **DOUBLE)
    log_p = before + torch.tensor(ratios, **DOUBLE).log()
    found = ppo_loss(log_p, before, torch.tensor(advantages, **DOUBLE), 0.1)
    assert found.item() == pytest.approx(expected)


def test_on_its_own_draws_ppo_has_the_gradient_of_reinforce():
    log_p = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), **DOUBLE)
    advantages = torch.linspace(-1, 1, 5, **DOUBLE)
    one, other = log_p.clone().requires_grad_(), log_p.clone().requires_grad_()
    reinforce_loss(one, advantages).backward()
    ppo_loss(other, log_p, advantages, 0.2).backward()
    torch.testing.assert_close(one.grad, other.grad)
