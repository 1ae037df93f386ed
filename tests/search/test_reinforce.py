"""The policy against torch's autograd and Adam, and on a problem it must solve."""

import random

import numpy as np
import pytest
import torch

from nascout.records import Outcome
from nascout.search import Proposal, Trial
from nascout.search.reinforce import Reinforce
from nascout.space.enas_macro import EnasMacro
from nascout.space.mnasnet import MnasNet


def told(strategy, space, architectures, rewards):
    state = strategy.start(space)
    for number, (one, reward) in enumerate(zip(architectures, rewards, strict=True)):
        state.tell(Trial(number, Proposal(one), Outcome.OK, {"independence": reward}))
    return state


def by_autograd(space, architectures, rewards, rate, momentum):
    """The same policy, one parameter per decision, as its script would train it."""
    logits = [torch.zeros(len(c.options), dtype=torch.float64) for c in space.decisions]
    for one in logits:
        one.requires_grad_()
    adam = torch.optim.Adam(logits, lr=rate)
    numerator = denominator = 0.0
    for architecture, reward in zip(architectures, rewards, strict=True):
        numerator = momentum * numerator + (1 - momentum) * reward
        denominator = momentum * denominator + (1 - momentum)
        log_p = sum(
            0 * part.sum() if value is None else part.log_softmax(0)[choice.options.index(value)]
            for part, choice, value in zip(
                logits, space.decisions, architecture.values, strict=True
            )
        )
        adam.zero_grad()
        (-log_p * (reward - numerator / denominator)).backward()
        adam.step()
    return torch.cat([one.softmax(0) for one in logits]).detach().numpy()


@pytest.mark.parametrize("space", [EnasMacro(), MnasNet()], ids=lambda s: s.name)
@pytest.mark.parametrize(("rate", "momentum"), [(0.5, 0.9), (0.01, 0.0), (0.1, 0.5)])
def test_the_policy_is_that_of_autograd_and_adam(space, rate, momentum):
    rng = random.Random(0)
    architectures = list(dict.fromkeys(space.sample(rng) for _ in range(12)))
    rewards = [rng.uniform(-50, 90) for _ in architectures]
    strategy = Reinforce(learning_rate=rate, momentum=momentum)
    state = told(strategy, space, architectures, rewards)
    expected = by_autograd(space, architectures, rewards, rate, momentum)
    np.testing.assert_allclose(state.probabilities(), expected, rtol=1e-6, atol=1e-12)


def test_one_reward_alone_teaches_nothing(grid):
    """It is its own baseline."""
    space = grid(3, 4)
    state = told(Reinforce(), space, [next(iter(space))], [70.0])
    np.testing.assert_array_equal(state.probabilities(), np.full(12, 0.25))


def test_what_failed_teaches_nothing(grid):
    space = grid(3, 4)
    architectures = random.Random(0).sample(list(space), 6)
    state = Reinforce().start(space)
    for number, one in enumerate(architectures):
        outcome = Outcome.OK if number % 2 == 0 else Outcome.FAILED
        values = {"independence": float(number)}
        state.tell(Trial(number, Proposal(one), outcome, values))
    expected = told(Reinforce(), space, architectures[::2], [0.0, 2.0, 4.0])
    np.testing.assert_array_equal(state.probabilities(), expected.probabilities())


def test_it_draws_by_its_probabilities(grid):
    """With 0 certain in every decision but the last, that one alone is explored."""
    space = grid(6, 5)
    zeros = space.architecture(dict.fromkeys((c.name for c in space.decisions), "0"))
    ones = space.architecture(dict.fromkeys((c.name for c in space.decisions), "1"))
    state = told(Reinforce(learning_rate=30.0), space, [ones, zeros], [0.0, 1.0])
    drawn = {state.choose(random.Random(seed)) for seed in range(20)}
    assert state.probabilities()[::5].min() > 0.999
    assert zeros not in drawn  # known already


@pytest.mark.parametrize("rate", [0.5, 0.05])
def test_it_learns_a_separable_function(grid, play, points, rate):
    """Six numbers from 0 to 4: uniform samples sum to 12 with a deviation of 3.5, at most 24."""
    strategy = Reinforce(budget=300, learning_rate=rate)
    history, _ = play(strategy, grid(6, 5), lambda p: float(sum(p)))
    sums = [sum(p) for p in points(history, "score")]
    assert max(sums) == 24 and np.mean(sums[100:]) > 17
