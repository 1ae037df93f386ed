"""The ranking loss against scipy's differences and scikit-learn's logistic regression."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.linear_model import LogisticRegression

from nascout.search.pairwise_ranking import fit_ranking, pair_weights, pairwise_loss

INF = np.inf


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(12, 3))
    losses = features @ [1.0, -2.0, 0.5] + rng.normal(size=12)
    losses[[2, 7]] = INF
    return features, losses


def test_pairs_are_those_where_one_is_better():
    """By hand: 1 < 2 < 3 < 4 < two failures, which are equal."""
    found = pair_weights(np.array([1.0, 2.0, 3.0, 4.0, INF, INF])) > 0
    assert found.tolist() == [
        [False, True, True, True, True, True],
        [False, False, True, True, True, True],
        [False, False, False, True, True, True],
        [False, False, False, False, True, True],
        [False] * 6,
        [False] * 6,
    ]


def test_negatives_are_the_worst_quarter_and_the_failures():
    """Of five that did not fail, the 0.75 quantile is the fourth."""
    pairs = pair_weights(np.array([3.0, 1.0, 5.0, 2.0, 4.0, INF]), negatives=0.25)
    assert set(np.flatnonzero(pairs.any(axis=0))) == {2, 4, 5}
    assert pairs.sum() == pytest.approx(1) and len(set(pairs[pairs > 0])) == 1
    assert np.count_nonzero(pairs) == 4 + 3 + 5


@pytest.mark.parametrize("losses", [[1.0], [2.0, 2.0], [INF, INF]])
def test_where_nothing_is_better_there_are_no_pairs(losses):
    assert not pair_weights(np.array(losses)).any()
    assert not fit_ranking(np.eye(len(losses)), np.array(losses)).any()


def test_the_value_by_hand():
    """Two pairs with margins -1 and -3, half each."""
    pairs = np.array([[0, 0.5, 0.5], [0, 0, 0], [0, 0, 0]])
    value, _ = pairwise_loss(np.array([1.0]), np.array([[0.0], [1.0], [3.0]]), pairs, 0.2)
    assert value == pytest.approx((np.log1p(np.exp(-1)) + np.log1p(np.exp(-3))) / 2 + 0.1)


def test_the_gradient_is_that_of_finite_differences(problem):
    features, losses = problem
    pairs = pair_weights(losses)
    for weights in np.random.default_rng(1).normal(size=(5, 3)):
        _, gradient = pairwise_loss(weights, features, pairs, 0.3)
        numeric = approx_fprime(weights, lambda w: pairwise_loss(w, features, pairs, 0.3)[0], 1e-6)
        assert gradient == pytest.approx(numeric, abs=1e-5)


@pytest.mark.parametrize("negatives", [1.0, 0.25])
def test_the_optimum_is_that_of_logistic_regression_on_differences(problem, negatives):
    features, losses = problem
    worst = np.quantile(losses[losses < INF], 1 - negatives, method="lower")
    better, worse = zip(
        *[
            (i, j)
            for i in range(12)
            for j in range(12)
            if losses[i] < losses[j] and losses[j] >= worst
        ],
        strict=True,
    )
    differences = features[list(worse)] - features[list(better)]
    both = np.vstack([differences, -differences])
    labels = np.repeat([1, 0], len(differences))
    penalty = 0.01
    model = LogisticRegression(C=1 / (len(both) * penalty), fit_intercept=False, tol=1e-10)
    expected = model.fit(both, labels).coef_[0]
    found = fit_ranking(features, losses, negatives=negatives, penalty=penalty)
    assert found == pytest.approx(expected, rel=1e-3)
