import math
import random
from itertools import combinations

import pytest

from nascout.gallery import Gallery, correlate, rank_correlation
from nascout.records import Objective, Outcome
from nascout.search.history import Proposal, Trial
from nascout.space import SPACES

SPACE = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))


def architectures(count):
    """Distinct ones, also by digest."""
    found, rng = {}, random.Random(0)
    while len(found) < count:
        architecture = SPACE.sample(rng)
        found.setdefault(architecture.digest, architecture)
    return list(found.values())


def trial(architecture, stage="score", epochs=0, outcome=Outcome.OK, message="", **values):
    return Trial(0, Proposal(architecture, stage, epochs), outcome, values, message)


def sign(x):
    return (x > 0) - (x < 0)


def tau_b(xs, ys):
    """Kendall (1945): (concordant - discordant) / sqrt(pairs untied in x * pairs untied in y)."""
    pairs = list(combinations(range(len(xs)), 2))
    s = sum(sign(xs[i] - xs[j]) * sign(ys[i] - ys[j]) for i, j in pairs)
    untied_x = sum(xs[i] != xs[j] for i, j in pairs)
    untied_y = sum(ys[i] != ys[j] for i, j in pairs)
    return s / math.sqrt(untied_x * untied_y)


def ranks(xs):
    return [sum(y < x for y in xs) + (sum(y == x for y in xs) + 1) / 2 for x in xs]


def pearson(xs, ys):
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    cov = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True))
    return cov / math.sqrt(sum((x - mx) ** 2 for x in xs) * sum((y - my) ** 2 for y in ys))


@pytest.mark.parametrize("seed", range(4))
def test_both_measures_equal_their_definitions_with_ties(seed):
    rng = random.Random(seed)
    xs, ys = [[rng.randrange(8) for _ in range(25)] for _ in range(2)]
    found = rank_correlation(xs, ys, resamples=0)
    assert found.kendall == pytest.approx(tau_b(xs, ys), abs=1e-12)
    assert found.spearman == pytest.approx(pearson(ranks(xs), ranks(ys)), abs=1e-12)
    assert found.count == 25 and math.isnan(found.kendall_interval[0])


def test_perfect_agreement_has_no_spread():
    found = rank_correlation(range(10), [x**3 for x in range(10)], resamples=50)
    assert found.kendall == found.spearman == pytest.approx(1)
    for low, high in (found.kendall_interval, found.spearman_interval):
        assert (low, high) == pytest.approx((1, 1))


def test_the_interval_is_seeded_and_about_as_wide_as_theory():
    # Independent samples: var(tau) = 2 (2n + 5) / (9 n (n - 1)), so 95 % is ± 1.96 of its root.
    rng = random.Random(0)
    n = 60
    xs, ys = [[rng.random() for _ in range(n)] for _ in range(2)]
    found = rank_correlation(xs, ys, resamples=200, seed=1)
    low, high = found.kendall_interval
    theory = 2 * 1.96 * math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)))
    assert low < found.kendall < high
    assert 0.6 * theory < high - low < 1.6 * theory
    assert found == rank_correlation(xs, ys, resamples=200, seed=1)


@pytest.mark.parametrize(("xs", "ys"), [([], []), ([1], [2]), ([1, 1, 1], [1, 2, 3])])
def test_what_is_not_defined_is_nan(xs, ys):
    found = rank_correlation(xs, ys, resamples=5)
    assert math.isnan(found.kendall) and math.isnan(found.spearman)
    assert found.count == len(xs)


def test_pairs_that_are_not_finite_are_left_out_and_lengths_must_agree():
    found = rank_correlation([1, 2, math.nan, 4], [1, 2, 3, math.inf], resamples=0)
    assert found.count == 2 and found.kendall == pytest.approx(1)
    with pytest.raises(ValueError):
        rank_correlation([1], [1, 2])


def test_a_gallery_gives_its_comparable_entries_that_have_both():
    trials = []
    for i, architecture in enumerate(architectures(6)):
        trials.append(trial(architecture, naswot=float(i), params=1))
        epochs, accuracy = (3, 99.0) if i == 0 else (12, 50.0 + i)
        if i < 5:
            trials.append(trial(architecture, "train", epochs, val_accuracy=accuracy))
    found = correlate(Gallery(trials, [Objective("naswot", True)]), "naswot")
    assert found.count == 4 and found.kendall == pytest.approx(1)
