"""Ranks by definition, and the moving average in closed form."""

import random

import numpy as np
import pytest

from nascout.controller.reward import Baseline, ranked


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.95])
def test_the_baseline_weighs_rewards_by_age(momentum):
    rewards = [random.Random(n).uniform(-2, 5) for n in range(30)]
    baseline = Baseline(momentum)
    assert baseline.value is None
    for count in range(1, 31):
        baseline.tell(rewards[count - 1 : count])
        weights = [momentum ** (count - 1 - i) for i in range(count)]
        expected = np.average(rewards[:count], weights=weights)
        assert baseline.value == pytest.approx(expected)


def test_the_baseline_takes_in_one_by_one_what_comes_at_once():
    one, other = Baseline(0.9), Baseline(0.9)
    one.tell([1.0, 2.0, 7.0])
    for reward in (1.0, 2.0, 7.0):
        other.tell([reward])
    assert one.value == other.value


def test_ranks_are_shares_of_what_is_beaten():
    rng = random.Random(0)
    known = [rng.choice([rng.gauss(0, 1), 0.5, 2.0]) for _ in range(60)]
    some = [*known[:9], -5.0, 5.0, 0.123]
    expected = [
        sum((other > one) + (other == one) / 2 for other in known) / len(known) for one in some
    ]
    np.testing.assert_allclose(ranked(some, known), expected)


def test_ranks_ignore_the_size_of_scores():
    known = [random.Random(n).gauss(0, 1) for n in range(20)]
    stretched = [np.sinh(9 * one) for one in known]
    np.testing.assert_array_equal(ranked(known, known), ranked(stretched, stretched))
