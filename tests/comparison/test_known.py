import numpy as np
import pandas as pd
import pytest

from nascout.comparison.known import read_known
from nascout.errors import ConfigError, DataError


def test_a_frame_is_joined_by_notation(table, tmp_path):
    frame = pd.DataFrame(
        {"arch": ["x0=d,x1=c", "nowhere", "x0=a,x1=b"], "zen": [1.0, 2, 3], "who": list("xyz")}
    )
    frame.to_csv(tmp_path / "scores.csv", index=False)
    expected = np.full(12, np.nan)
    expected[11], expected[1] = 1, 3
    for known in (frame, tmp_path / "scores.csv", str(tmp_path / "scores.csv")):
        found = read_known(table, known, ("one", "two"))
        assert found.keys() == {"one", "two"} and found["two"].keys() == {"zen"}
        np.testing.assert_array_equal(found["one"]["zen"], expected)


def test_columns_may_be_in_the_order_of_the_table(table):
    for known in ({"zen": range(12)}, pd.DataFrame({"zen": range(12)})):
        assert read_known(table, known, ("one",))["one"]["zen"].tolist() == list(range(12))


def test_each_data_set_may_have_its_own(table):
    known = {"two": {"zen": np.ones(12)}}
    found = read_known(table, known, ("one", "two"))
    assert found["one"] == {} and found["two"]["zen"].sum() == 12
    assert read_known(table, None, ("one",)) == {"one": {}}


def test_what_does_not_fit_is_refused(table):
    with pytest.raises(ConfigError, match="3 values of 'zen' for 12 architectures"):
        read_known(table, {"zen": [1, 2, 3]}, ("one",))
    with pytest.raises(DataError, match="holds none of the 2 known"):
        read_known(table, pd.DataFrame({"arch": ["p", "q"], "zen": [1, 2]}), ("one",))
