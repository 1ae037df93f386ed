import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

from nascout.benchmark.agreement import agreement, kendall, spearman
from nascout.benchmark.bootstrap import draw_counts, estimate
from nascout.benchmark.concordance import concordant_sum
from nascout.benchmark.distance_correlation import distance_correlation

MEASURES = (kendall, spearman, distance_correlation)


def tied(n, seed=0):
    """Related columns with many ties."""
    rng = np.random.default_rng(seed)
    x = rng.integers(12, size=n).astype(float)
    return x, np.round(x + rng.normal(scale=4, size=n))


def plain_distance_correlation(x, y):
    """Székely, Rizzo and Bakirov (2007), definitions 4 and 5, with whole matrices."""

    def centred(v):
        a = abs(v[:, None] - v)
        return a - a.mean(0) - a.mean(1, keepdims=True) + a.mean()

    a, b = centred(x), centred(y)
    return math.sqrt((a * b).mean() / math.sqrt((a * a).mean() * (b * b).mean()))


def repeated(x, counts):
    return np.repeat(x, counts.astype(int))


@pytest.mark.parametrize("n", [2, 7, 128, 129, 300, 700])
def test_every_resample_equals_the_measure_of_the_repeated_rows(n):
    x, y = tied(n, seed=n)
    counts = draw_counts(n, 5, seed=1)
    found = [measure(x, y, counts) for measure in MEASURES]
    for i, c in enumerate(counts):
        a, b = repeated(x, c), repeated(y, c)
        if np.ptp(a) == 0 or np.ptp(b) == 0:
            assert all(math.isnan(values[i]) for values in found)
            continue
        # "asymptotic" leaves the statistic alone and would divide by zero for two rows.
        method = "exact" if n == 2 else "asymptotic"
        assert found[0][i] == pytest.approx(kendalltau(a, b, method=method).statistic, abs=1e-12)
        assert found[1][i] == pytest.approx(np.corrcoef(*map(_ranks, (a, b)))[0, 1], abs=1e-12)
        assert found[2][i] == pytest.approx(plain_distance_correlation(a, b), abs=1e-7)


def _ranks(x):
    return np.array([(x < v).sum() + ((x == v).sum() + 1) / 2 for v in x])


def test_concordant_sums_are_sums_over_pairs():
    rng = np.random.default_rng(0)
    x, y = rng.integers(20, size=(2, 400)).astype(float)
    c, u, v = rng.integers(3, size=(3, 400)).astype(float)
    pairs = (x[:, None] < x) & (y[:, None] < y)
    expected = (np.outer(c * u, c * v) * pairs).sum()
    assert concordant_sum(x, y, c[None], [(u, v)]) == pytest.approx(expected, rel=1e-12)


def test_perfect_and_reversed():
    x = np.arange(30.0)
    for y, sign in ((x**3, 1), (-np.exp(x), -1)):
        found = agreement(x, y, resamples=50)
        assert found.kendall == pytest.approx((sign, sign, sign), abs=1e-12)
        assert found.spearman == pytest.approx((sign, sign, sign), abs=1e-12)
    for y in (2 * x - 5, -x):
        assert distance_correlation(x, y) == pytest.approx(1, abs=1e-12)


def test_distance_correlation_sees_what_ranks_do_not():
    x = np.arange(-50.0, 51)
    assert spearman(x, x**2, np.ones((1, 101))) == pytest.approx(0, abs=1e-12)
    # |x| against x² on a symmetric grid: far above the .1 of unrelated columns.
    assert distance_correlation(x, x**2)[0] > 0.4
    shifted = distance_correlation(1e9 + x, 1e-9 * x**2)
    assert shifted == pytest.approx(distance_correlation(x, x**2), abs=1e-6)


@pytest.mark.parametrize(("n", "low", "high"), [(50, 0.15, 0.25), (1000, 0.03, 0.06)])
def test_unrelated_columns_have_the_distance_correlation_that_the_docs_say(n, low, high):
    rng = np.random.default_rng(0)
    found = [distance_correlation(*rng.normal(size=(2, n)))[0] for _ in range(20)]
    assert low < np.mean(found) < high


def test_published_check_on_the_first_thousand_cells(shared_data):
    columns = ["params_c10", "c10_test_nats"]
    cells = pd.read_parquet(shared_data / "nasbench201.parquet", columns=columns)[:1000]
    found = agreement(*cells.to_numpy(float).T, resamples=0)
    values = found.kendall.value, found.spearman.value, found.distance_correlation.value
    assert values == pytest.approx((0.5868, 0.7580, 0.4961), abs=5e-5)


def test_what_is_not_finite_is_left_out_and_what_is_not_defined_is_nan():
    x = np.array([1.0, 2, math.nan, 4, math.inf, 6])
    found = agreement(x, np.array([1.0, 2, 3, 4, 5, math.nan]), resamples=10)
    assert found.count == 3 and found.kendall.value == 1
    for x in (np.ones(5), np.zeros(1), np.zeros(0)):
        found = agreement(x, np.arange(len(x), dtype=float), resamples=5)
        assert found.count == len(x)
        assert all(map(math.isnan, (*found.kendall, *found.spearman)))


def test_the_interval_is_seeded_and_about_as_wide_as_theory():
    # Independent samples: var(tau) = 2 (2n + 5) / (9 n (n - 1)), so 95 % is ± 1.96 of its root.
    n = 200
    x, y = np.random.default_rng(3).normal(size=(2, n))
    found = agreement(x, y, resamples=300, seed=1)
    theory = 2 * 1.96 * math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)))
    assert found.kendall.low < found.kendall.value < found.kendall.high
    assert 0.8 * theory < found.kendall.high - found.kendall.low < 1.3 * theory
    assert found == agreement(x, y, resamples=300, seed=1)
    assert found != agreement(x, y, resamples=300, seed=2)


def test_large_tables_get_fewer_resamples():
    assert draw_counts(1000, 1000, 0).shape == (1001, 1000)
    assert len(draw_counts(15_625, 1000, 0)) == 1 + 128
    assert (draw_counts(30, 40, 0).sum(axis=1) == 30).all()
    assert math.isnan(estimate(np.array([0.5])).low)


@pytest.mark.parametrize("seed", range(3))
def test_scipy_agrees_on_spearman(seed):
    x, y = tied(90, seed)
    found = spearman(x, y, np.ones((1, 90)))
    assert found == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
