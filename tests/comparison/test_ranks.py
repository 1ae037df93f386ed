import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nascout.comparison.ranks import critical_difference, rank_blocks, ranking


def runs(values):
    """Blocks in rows, strategies in columns; half of the blocks on each of two data sets."""
    return pd.DataFrame(
        [
            {"dataset": i % 2, "seed": i // 2, "strategy": f"s{j}", "acc": value}
            for i, row in enumerate(values)
            for j, value in enumerate(row)
        ]
    )


# Table 5 of Demšar (2006): q for 2 to 10 classifiers at 5 %.
Q = (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164)


@pytest.mark.parametrize(("k", "q"), list(enumerate(Q, 2)))
def test_the_critical_difference_is_that_of_the_published_table(k, q):
    expected = q * np.sqrt(k * (k + 1) / (6 * 30))
    assert critical_difference(k, 30) == pytest.approx(expected, abs=0.0005)


def test_means_over_blocks():
    found = ranking(runs([[9, 8, 7], [9, 7, 8], [5, 5, 1], [1, 2, np.nan]]), "acc")
    assert found.mean == {"s0": 1.375, "s1": 1.875, "s2": 2.75}  # 1 1 1.5 2; 2 3 1.5 1; 3 2 3 3
    assert list(found.mean) == ["s0", "s1", "s2"] and found.blocks == 4


def test_the_test_is_friedmans():
    values = np.random.default_rng(0).integers(0, 5, (20, 4)) + np.array([0, 0, 1, 1])  # with ties
    assert ranking(runs(values), "acc").p == pytest.approx(
        stats.friedmanchisquare(*values.T).pvalue
    )


def test_equals_are_alike():
    found = ranking(runs(np.ones((6, 3))), "acc")
    assert found.p == 1 and set(found.mean.values()) == {2.0}


def test_ranks_in_a_block_add_up():
    ranks = rank_blocks(np.random.default_rng(1).integers(0, 4, (50, 7)).astype(float))
    assert (ranks.sum(axis=1) == 7 * 8 / 2).all()
