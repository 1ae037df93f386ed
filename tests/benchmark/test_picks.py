import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from nascout.benchmark.judgement import judge
from nascout.benchmark.picks import pick_probabilities, picks, top_threshold


def by_enumeration(score, n):
    """The chance of each row, over every draw and every way to break its ties."""
    chance = np.zeros(len(score))
    worth = np.where(np.isfinite(score), score, -np.inf)
    draws = list(combinations(range(len(score)), n))
    for draw in draws:
        best = max(worth[list(draw)])
        winners = [i for i in draw if worth[i] == best]
        chance[winners] += 1 / len(winners) / len(draws)
    return chance


SCORES = {
    "distinct": [3.0, 1, 2, 5, 4, 0, 7],
    "ties": [1.0, 2, 2, 0, 2, 1, 1],
    "constant": [1.0] * 7,
    "failures": [math.nan, 2, -math.inf, 1, 2, math.inf, 0],
    "all failed": [math.nan] * 7,
}


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
@pytest.mark.parametrize("n", [1, 2, 4, 6, 7])
def test_probabilities_equal_enumeration(score, n):
    score = np.array(score)
    assert pick_probabilities(score, n)[0] == pytest.approx(by_enumeration(score, n), abs=1e-12)


def test_a_resample_is_its_repeated_rows():
    score = np.array([1.0, 2, 2, 0, math.nan])
    counts = np.array([[0.0, 2, 1, 0, 2], [3, 0, 0, 1, 1]])
    found = pick_probabilities(score, 3, counts)
    for c, p in zip(counts.astype(int), found, strict=True):
        expected = by_enumeration(np.repeat(score, c), 3)
        places = np.repeat(np.arange(5), c)
        summed = [expected[places == i].sum() for i in range(5)]
        assert p == pytest.approx(summed, abs=1e-12)


def test_accuracy_spread_and_tops_equal_enumeration():
    score, accuracy = np.array([3.0, 1, 2, 2, math.nan, 0]), np.array([50.0, 90, 70, 80, 95, 60])
    found = picks(score, accuracy, 3, {"top": 80.0}, resamples=20)
    chance = by_enumeration(score, 3)
    mean = chance @ accuracy
    assert found.accuracy.value == pytest.approx(mean, abs=1e-12)
    assert found.spread == pytest.approx(math.sqrt(chance @ (accuracy - mean) ** 2), abs=1e-9)
    assert found.in_top["top"].value == pytest.approx(chance[[1, 3, 4]].sum(), abs=1e-12)
    assert found.accuracy.low <= mean <= found.accuracy.high
    assert picks(score, accuracy, 7, {}) is None


def test_best_of_all_is_the_best_and_best_of_one_is_the_mean():
    accuracy = np.arange(40.0)
    best = picks(accuracy, accuracy, 40, {}, resamples=0)
    assert (best.accuracy.value, best.spread) == (39, 0)
    any_of = picks(accuracy, accuracy, 1, {}, resamples=0)
    assert any_of.accuracy.value == pytest.approx(19.5)
    assert any_of.spread == pytest.approx(math.sqrt((40**2 - 1) / 12))


def test_thresholds_of_the_top():
    accuracy = np.arange(1000.0)
    assert [(accuracy >= top_threshold(accuracy, p)).sum() for p in (0.01, 0.05, 0.1)] == [
        10,
        50,
        100,
    ]
    assert top_threshold(np.array([1.0, 2, 3]), 0.05) == 3


def test_published_picks_by_params_on_the_whole_table(shared_data):
    """500 simulated runs gave 92.33 ± 3.95, 93.23 ± .56 and 93.46 ± .35 (mean ± spread)."""
    columns = ["params_c10", "c10_test"]
    params, accuracy = (
        pd.read_parquet(shared_data / "nasbench201.parquet", columns=columns).to_numpy(float).T
    )
    published = {10: (92.33, 3.95), 100: (93.23, 0.56), 1000: (93.46, 0.35)}
    for n, (mean, spread) in published.items():
        found = picks(params, accuracy, n, {}, resamples=0)
        # Three standard errors of a mean over 500 runs.
        assert found.accuracy.value == pytest.approx(mean, abs=3 * spread / math.sqrt(500))
        assert found.spread == pytest.approx(spread, rel=0.15)


def test_the_table_has_a_row_per_score_the_best_first_and_two_bounds():
    rng = np.random.default_rng(0)
    accuracy = rng.normal(size=400)
    noisy = accuracy + rng.normal(scale=2, size=400)
    failed = np.where(np.arange(400) < 100, math.nan, accuracy)
    bars = {top: top_threshold(accuracy, p) for top, p in (("top5", 0.05), ("top10", 0.1))}
    scores = {"noisy": noisy, "none": np.full(400, math.nan), "failed": failed}
    table = judge(scores, accuracy, bars, draws=(10, 1000), resamples=30).set_index("score")
    assert list(table.index) == ["failed", "noisy", "none", "oracle", "random"]
    assert list(table["failed"]) == [100, 0, 400, 0, 0]
    assert list(table["count"]) == [300, 400, 0, 400, 400]
    assert table.loc["failed", "kendall"] == 1
    assert table.loc["noisy", "count_top10"] == 40
    assert not any(name.startswith("pick1000") for name in table)
    assert math.isnan(table.loc["oracle", "spearman"])
    # A score that never works picks like chance.
    assert table.loc["none", "pick10_accuracy"] == pytest.approx(accuracy.mean())
    assert table.loc["random", "pick10_in_top10"] == pytest.approx(0.1)
    order = ["random", "noisy", "failed", "oracle"]
    values = list(table.loc[order, "pick10_accuracy"])
    assert values == sorted(values)


def test_correlations_of_a_handful_are_not_given():
    accuracy = np.arange(60.0)
    bars = {"top5": 57.0, "top10": 50.0}
    table = judge({"one": accuracy}, accuracy, bars, draws=(), resamples=5)
    assert (table["count_top5"][0], table["count_top10"][0]) == (3, 10)
    assert math.isnan(table["kendall_top5"][0]) and table["kendall_top10"][0] == 1
