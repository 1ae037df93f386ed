import pytest

from nascout.benchmark.measure import Measure, choices, choose, matching, read_measures
from nascout.errors import ConfigError, DataError

TABLE = {
    "a": Measure(metric="accuracy", dataset="half", split="val", seed=0),
    "b": Measure(metric="accuracy", dataset="half", split="val", seed="mean"),
    "c": Measure(metric="accuracy", dataset="half", split="test", seed="mean"),
    "d": Measure(metric="accuracy", dataset="all", split="test", seed="mean"),
    "e": Measure(metric="params"),
}


@pytest.mark.parametrize(
    ("asked", "column"),
    [
        ({"metric": "params"}, "e"),
        ({"metric": "accuracy", "dataset": "all"}, "d"),  # one choice is left for split and seed
        ({"metric": "accuracy", "dataset": "half", "split": "test"}, "c"),
        ({"metric": "accuracy", "dataset": "half", "split": "val", "seed": 0}, "a"),
    ],
)
def test_one_column_is_chosen(asked, column):
    assert choose("it", TABLE, asked) == column


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "needs metric=. Give 'accuracy' or 'params'"),
        ({"metric": "accuracy"}, "needs dataset= for metric='accuracy'. Give 'half' or 'all'"),
        ({"metric": "accuracy", "dataset": "half"}, "Give 'val' or 'test'"),
        ({"metric": "accuracy", "dataset": "half", "split": "val"}, "Give 0 or 'mean'"),
        ({"metric": "accuracy", "dataset": "all", "split": "val"}, "no split='val'.*has 'test'"),
        ({"metric": "loss"}, "no metric='loss'"),
        ({"metric": "params", "split": "test"}, "Leave split= out"),
    ],
)
def test_what_is_missing_or_not_there_is_said_with_the_choices(asked, words):
    with pytest.raises(ConfigError, match=words):
        choose("it", TABLE, asked)


def test_choices_narrow_with_what_is_settled():
    left = matching(TABLE, {"dataset": "half"})
    assert choices(left)["split"] == ["val", "test"]
    assert "device" not in choices(left)
    assert set(matching(TABLE, {"seed": "mean"})) == {"b", "c", "d"}


def test_descriptions_come_back():
    written = {name: measure.to_dict() for name, measure in TABLE.items()}
    assert read_measures(written, "here") == TABLE
    assert written["e"] == {"metric": "params"}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"a": {"split": "val"}}, "column 'a' of here"),
        ({"a": {"metric": "accuracy", "colour": 1}}, "column 'a' of here"),
        ({"a": "accuracy"}, "column 'a' of here"),
        ({"a": {"metric": "x"}, "b": {"metric": "x", "unit": "%"}}, "'a' and 'b' of here"),
    ],
)
def test_descriptions_that_mean_nothing_are_refused(columns, words):
    with pytest.raises(DataError, match=words):
        read_measures(columns, "here")
