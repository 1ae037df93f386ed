import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascout.comparison.significance import holm, pairs, signed_rank, win_probability


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_stepping_down(p):
    """Independently: at level a, reject the smallest while p <= a / (hypotheses left)."""
    corrected = holm(np.array(p))
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for place, i in enumerate(np.argsort(p, kind="stable")):
            if p[i] * (len(p) - place) > level:
                break
            rejected.add(i)
        assert rejected == set(np.flatnonzero(corrected <= level))


@pytest.mark.parametrize("n", [3, 6, 10])
def test_if_all_are_better_both_tails_are_one_sign_pattern_each(n):
    assert signed_rank(np.arange(1.0, n + 1)) == pytest.approx(2 / 2**n)


def test_no_difference_is_no_evidence():
    assert signed_rank(np.zeros(5)) == 1
    assert signed_rank(np.array([0, 0, 1.0, 2, 3])) == signed_rank(np.array([1.0, 2, 3]))


def test_pairs_are_of_equal_seed():
    rows = [
        ("a", 0, 1.0),
        ("a", 1, 5.0),
        ("b", 1, 4.0),
        ("b", 0, 3.0),
        ("c", 0, 1.0),
        ("c", 1, np.nan),
    ]
    runs = pd.DataFrame(rows, columns=["strategy", "seed", "acc"]).assign(budget=9, dataset="x")
    found = pairs(runs, "acc").set_index(["strategy", "other"])
    assert list(found.index) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found.loc[("a", "b"), "difference"] == -0.5
    assert found["wins"].tolist() == [0.5, 0.75, 1.0]  # c failed once, and equals a once
    assert (found["runs"] == 2).all() and (found["p_holm"] >= found["p"]).all()


def test_wins_of_both_sides_add_up():
    x, y = np.random.default_rng(0).integers(0, 3, (2, 40)).astype(float)
    assert win_probability(x, y) + win_probability(y, x) == 1
