import numpy as np
import pandas as pd

from nascout.comparison.bands import band


def course(*runs):
    rows = [(seed, *change) for seed, changes in enumerate(runs) for change in changes]
    return pd.DataFrame(rows, columns=["seed", "evaluations", "acc"])


def test_every_run_keeps_its_leader_until_the_next():
    """At 2: 10, 50, 30; at 4: 10, 60, 70; at 10: 90, 60, 70."""
    found = band(
        course([(1, 10.0), (8, 90.0)], [(1, 40.0), (2, 50.0), (3, 60.0)], [(1, 30.0), (4, 70.0)]),
        "evaluations",
        "acc",
        10,
    )
    at = dict(zip(found.cost, zip(found.low, found.median, found.high, strict=True), strict=True))
    assert at[2] == (20, 30, 40) and at[4] == (35, 60, 65) and at[10] == (65, 70, 80)
    assert found.cost[0] == 1 and found.cost[-1] == 10


def test_it_starts_when_every_run_has_a_leader():
    found = band(course([(5, 10.0)], [(1, 20.0)]), "evaluations", "acc", 10)
    assert found.cost[0] == 5 and not np.isnan(found.low).any()
