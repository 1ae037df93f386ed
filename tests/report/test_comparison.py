"""Curves of strategies whose courses begin at different costs."""

import pandas as pd

from nascout.report.comparison import curves


def test_strategies_that_get_their_first_leader_at_different_times():
    rows = [
        {"dataset": "d", "strategy": name, "seed": seed, "evaluations": at, "test_accuracy": value}
        for name, first in (("early", 1), ("late", 40))
        for seed in (0, 1)
        for at, value in ((first, 50.0 + seed), (first + 20, 60.0 + seed))
    ]
    (figure,) = curves(pd.DataFrame(rows), "evaluations", "test_accuracy", 100)
    assert figure.title == "d"
    assert "early" in figure.svg and "late" in figure.svg
