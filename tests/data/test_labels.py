import numpy as np
import pytest

from nascout.data.labels import class_values, encode
from nascout.errors import DataError


@pytest.mark.parametrize(
    ("labels", "names", "codes"),
    [
        ([0, 1, 2, 1], ("0", "1", "2"), [0, 1, 2, 1]),
        ([7, -3, 7], ("-3", "7"), [1, 0, 1]),
        (["dog", "cat"], ("cat", "dog"), [1, 0]),
        ([b"dog", b"cat"], ("cat", "dog"), [1, 0]),
        ([True, False], ("0", "1"), [1, 0]),
        ([[4], [2]], ("2", "4"), [1, 0]),
    ],
)
def test_labels_are_numbered_in_ascending_order(labels, names, codes):
    values, found = class_values(np.array(labels), None, "y")
    assert found == names
    assert encode(np.array(labels), values, "y").tolist() == codes


def test_given_names_make_labels_positions():
    values, names = class_values(np.array([2, 0]), ["x", "y", "z"], "y")
    assert names == ("x", "y", "z")
    assert encode(np.array([2, 0]), values, "y").tolist() == [2, 0]


@pytest.mark.parametrize("labels", [[0.0, 1.0], [[0, 1], [1, 0]], [None, 1]])
def test_other_labels_are_refused(labels):
    with pytest.raises(DataError, match="one integer or string per image"):
        class_values(np.array(labels), None, "y_train")


def test_a_label_that_is_no_class_is_named():
    with pytest.raises(DataError, match="y_test holds the label 9, which is no class"):
        encode(np.array([1, 9]), np.array([0, 1]), "y_test")
    with pytest.raises(DataError, match="one kind of label"):
        encode(np.array(["1"]), np.array([0, 1]), "y_test")
