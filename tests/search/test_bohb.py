"""BOHB: the split, the density by hand, and which trainings it learns from."""

import random
from collections import Counter

import numpy as np
import pytest

from nascout.errors import ConfigError
from nascout.records import Outcome
from nascout.search import Proposal, Trial
from nascout.search.bohb import Bohb, split
from nascout.search.density import Density
from nascout.search.hyperband import Hyperband
from nascout.space.enas_macro import EnasMacro


@pytest.mark.parametrize(
    ("count", "expected"),
    [(13, None), (14, (7, 7)), (20, (7, 13)), (60, (9, 51)), (100, (15, 85)), (1000, (150, 850))],
)
def test_the_best_15_percent_are_good_but_at_least_seven(count, expected):
    """NAS-Bench-201 has six decisions, so each density needs seven."""
    assert split(count, 0.15, 7) == expected


def test_the_density_by_hand(grid):
    """Two of five options each, h = .3: kernels of .7 and .075."""
    space = grid(2, 5)
    one, other = (space.architecture({"x0": a, "x1": b}) for a, b in (("0", "1"), ("0", "2")))
    density = Density(space, [one, other], min_bandwidth=0.3)
    spread = np.sqrt(1 - 0.5)  # of the second decision: two options, half each
    second = 1.06 * spread * 2 ** (-1 / 6)
    assert density.bandwidths == pytest.approx([0.3, second])
    stay, leave = 1 - second, second / 4
    expected = [0.7 * (stay + leave) / 2, 0.075 * leave]
    asked = [one, space.architecture({"x0": "3", "x1": "4"})]
    assert np.exp(density.log(asked)) == pytest.approx(expected)


def test_a_density_sums_to_one_and_draws_follow_it(grid):
    space = grid(2, 4)
    every, rng = list(space), random.Random(0)
    density = Density(space, [every[0], every[5], every[5]], min_bandwidth=0.3)
    expected = np.exp(density.log(every))
    assert expected.sum() == pytest.approx(1)
    drawn = Counter(density.sample(rng) for _ in range(20_000))
    assert [drawn[one] / 20_000 for one in every] == pytest.approx(expected, abs=0.01)


def test_many_alike_leave_the_least_bandwidth_and_uniform_is_the_widest(grid):
    space = grid(1, 3)
    alike = Density(space, list(space)[:1] * 50, min_bandwidth=0.1)
    mixed = Density(space, list(space), min_bandwidth=1.0)
    assert alike.bandwidths == pytest.approx([0.1]) and mixed.bandwidths == pytest.approx([2 / 3])
    assert np.ptp(mixed.log(list(space))) == pytest.approx(0)


def test_draws_fit_together_where_decisions_depend_on_others():
    space, rng = EnasMacro(), random.Random(0)
    known = [space.sample(rng) for _ in range(5)]
    density = Density(space, known, min_bandwidth=0.3)
    drawn = [density.sample(rng) for _ in range(50)]
    assert all(one is not None and one.space == space for one in drawn)
    assert np.isfinite(density.log(drawn)).all()


def value(point):
    return float(sum(point))


def trained(history):
    return [t for t in history if t.stage == "train"]


def test_brackets_are_hyperbands_and_members_are_trained_at_once(grid, play, points):
    strategy = Bohb(budget=22, max_epochs=9)
    history, _ = play(strategy, grid(8, 5), value)
    assert strategy.brackets() == [[(9, 1), (3, 3), (1, 9)], [(5, 3), (1, 9)], [(3, 9)]]
    epochs = Counter(t.proposal.epochs for t in trained(history))
    assert epochs == Counter({1: 9 + 5, 3: 3 + 5 + 1, 9: 1 + 1 + 3 + 1})
    assert [t.stage for t in history[:18]] == ["score", "train"] * 9
    climbing = [p for p, t in zip(points(history, "train"), trained(history), strict=True)][9:12]
    assert climbing == sorted(points(history[:18], "train"), key=value, reverse=True)[:3]


def test_two_lengths_or_one(grid, play):
    two = Bohb(budget=10, rung_epochs=(12, 200))
    assert two.brackets() == [[(3, 12), (1, 200)], [(2, 200)]]
    one, _ = play(Bohb(budget=10, rung_epochs=(200,)), grid(8, 5), value)
    assert {t.proposal.epochs for t in trained(one)} == {200} and len(trained(one)) == 10


@pytest.mark.slow
def test_what_the_model_proposes_is_better_than_uniform(grid, play):
    def mean(seed, **knobs):
        history, _ = play(Bohb(budget=80, rung_epochs=(1,), **knobs), grid(10, 4), value, seed=seed)
        return np.mean([t.values["val_accuracy"] for t in trained(history)[30:]])

    model, chance = (
        np.array([mean(seed, random_fraction=share) for seed in range(4)]) for share in (0, 1)
    )
    assert (model > chance + 1).all() and chance.mean() == pytest.approx(15, abs=1)


@pytest.mark.slow
def test_the_model_is_of_the_longest_trainings_that_are_enough(grid):
    """Of 100 short trainings large sums are good; of 22 or 21 long ones, small sums."""
    space, rng = grid(10, 4), random.Random(0)
    told = [space.sample(rng) for _ in range(100)]

    def proposed(long):
        state = Bohb(budget=1000, rung_epochs=(1, 9)).start(space)
        told_of = [(one, 0, 0.0) for one in told]
        told_of += [(one, 1, float(sum(map(int, one.values)))) for one in told]
        told_of += [(one, 9, -float(sum(map(int, one.values)))) for one in told[:long]]
        for number, (one, epochs, accuracy) in enumerate(told_of):
            proposal = Proposal(one, "train" if epochs else "score", epochs)
            state.tell(Trial(number, proposal, Outcome.OK, {"val_accuracy": accuracy}))
        drawn = [state.choose(random.Random(seed)) for seed in range(200)]
        return np.mean([sum(map(int, one.values)) for one in drawn])

    assert proposed(22) < 14.5 and proposed(21) > 15.5  # 15 by chance


@pytest.mark.slow
def test_failed_trainings_are_bad(grid, play):
    """All with a large first number fail; they become rare."""

    def often_fails(point):
        fails = point[0] >= 2 and calls[point]
        calls[point] += 1
        return None if fails else 1.0 + sum(point[1:]) / 100

    calls = Counter()
    history, _ = play(Bohb(budget=150, rung_epochs=(1,)), grid(6, 4), often_fails)
    firsts = [int(t.architecture.values[0]) for t in trained(history)]
    assert np.mean(np.array(firsts[:20]) >= 2) > 0.25
    assert np.mean(np.array(firsts[50:]) >= 2) < 0.2


@pytest.mark.parametrize(
    "knobs",
    [{"samples": 0}, {"good": 1.5}, {"min_points": -1}, {"rung_epochs": (3, 3)}, {"eta": 1}],
)
def test_knobs_that_mean_nothing_are_refused(knobs):
    with pytest.raises(ConfigError):
        Bohb(**knobs)


def test_hyperband_takes_the_lengths_of_a_table():
    assert Hyperband(rung_epochs="12,200").rung_epochs == (12, 200)
    assert Hyperband(rung_epochs=[1, 3, 9]).brackets() == Hyperband(max_epochs=9).brackets()
