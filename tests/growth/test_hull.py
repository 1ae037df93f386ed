import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from nascout.errors import ConfigError
from nascout.growth.hull import eligible, hull, hull_error, sample_archai, sample_petridish


def test_the_worked_example():
    costs, errors = [1, 2, 3, 4], [10, 6, 5.9, 3]
    assert hull(costs, errors) == [0, 1, 3]
    assert hull_error(costs, errors)[2] == 4.5
    assert 2 not in eligible(costs, errors)  # the limit is 4.6125
    assert eligible(costs, [10, 6, 4.6125, 3]) == [0, 1, 2, 3]
    assert eligible(costs, [10, 6, 4.6126, 3]) == [0, 1, 3]


def lowest(costs, errors, at):
    """The least error of a convex mixture of the points, and the closing one, at a cost."""
    x = np.append(costs, 2 * max(costs))
    y = np.append(errors, min(errors))
    solved = linprog(y, A_eq=[x, np.ones_like(x)], b_eq=[at, 1], bounds=(0, None))
    return solved.fun


points = st.lists(st.tuples(st.integers(1, 12), st.integers(-5, 20)), min_size=1, max_size=9)


@given(points)
def test_against_the_least_error_of_any_mixture(pairs):
    costs, errors = (np.array(column, float) for column in zip(*pairs, strict=True))
    wanted = [lowest(costs, errors, at) for at in costs]
    assert np.allclose(hull_error(costs, errors), wanted, atol=1e-7)
    corners = hull(costs, errors)
    assert list(costs[corners]) == sorted(set(costs[corners]))
    assert np.allclose(errors[corners], hull_error(costs, errors)[corners])
    # Convex: each next piece falls less steeply, to the least error.
    slopes = np.diff(errors[corners]) / np.diff(costs[corners])
    assert (np.diff(slopes) > 0).all() and (slopes < 0).all()
    assert errors[corners[-1]] == errors.min()


@given(points, st.sampled_from([0.0, 0.025, 0.3]))
def test_eligible_against_the_definition(pairs, epsilon):
    costs, errors = zip(*((x, abs(y)) for x, y in pairs), strict=True)
    found = eligible(costs, errors, epsilon)
    limits = [(1 + epsilon) * lowest(costs, errors, at) for at in costs]
    for i, (error, limit) in enumerate(zip(errors, limits, strict=True)):
        if abs(error - limit) > 1e-6:
            assert (i in found) == (error <= limit)
    assert [costs[i] for i in found] == sorted(costs[i] for i in found)


def test_error_never_rises_with_cost():
    assert hull([1, 2, 3], [5, 1, 4]) == [0, 1]
    assert list(hull_error([1, 2, 3], [5, 1, 4])) == [5, 1, 1]
    assert hull([7], [1]) == [0] and hull([2, 2, 2], [3, 1, 1]) == [1]


def test_what_is_no_hull():
    for costs, errors in (([], []), ([0, 1], [1, 1]), ([1], [float("nan")]), ([1, 2], [1])):
        with pytest.raises(ConfigError, match="finite costs above 0"):
            hull(costs, errors)


def frequencies(sample, *arguments, draws=4_000):
    rng = random.Random(0)
    counts = Counter(sample(*arguments, rng) for _ in range(draws))
    return [counts[i] / draws for i in range(len(arguments[0]))]


COSTS, ERRORS = [1, 2, 3, 4], [10, 6, 5.9, 3]


def test_petridish_draws_the_rarely_tried_and_expensive_first():
    """From 3 to 0 with acceptance a, b, c: a, (1-a)b, (1-a)(1-b)c, over one minus what is left."""
    assert frequencies(sample_petridish, COSTS, ERRORS, [0, 0, 0, 0], draws=50) == [0, 0, 0, 1]
    times = [1, 3, 0, 2]
    a, b, c = 1 / 3, 1 / 4, 1 / 2
    chances = np.array([(1 - a) * (1 - b) * c, (1 - a) * b, 0, a])
    wanted = chances / chances.sum()
    assert np.allclose(frequencies(sample_petridish, COSTS, ERRORS, times), wanted, atol=0.03)


def test_archai_draws_by_odds():
    times = [4, 2, 9, 0]
    # Eligible are 0, 1 and 3: times scaled to 1, .5, 0, costs to 0, 1/3, 1.
    odds = np.array([1 / 2 + 1, 1 / 1.5 + 1 / (4 / 3), 0, 1 + 1 / 2])
    wanted = odds / odds.sum()
    assert np.allclose(frequencies(sample_archai, COSTS, ERRORS, times), wanted, atol=0.03)
    equal = frequencies(sample_archai, [2, 2], [1, 1], [5, 5])
    assert np.allclose(equal, [0.5, 0.5], atol=0.03)
