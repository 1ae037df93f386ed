import numpy as np
import torch
from sklearn.datasets import load_digits as reference

from nascout.data import load


def test_pixels_and_labels_are_those_of_scikit_learn():
    data = load("digits")
    assert (len(data.train) + len(data.test), data.input_shape, data.flip) == (
        1797,
        (1, 8, 8),
        False,
    )
    x = torch.cat([data.train.x, data.test.x]).reshape(1797, 64).double() * 16
    y = torch.cat([data.train.y, data.test.y])
    ours = sorted(map(tuple, torch.cat([x, y[:, None]], 1).tolist()))
    digits = reference()
    theirs = sorted(map(tuple, np.c_[digits.data, digits.target].tolist()))
    assert ours == theirs


def test_the_test_part_is_a_stratified_fifth_and_always_the_same():
    a, b = load("digits"), load("digits")
    assert a.digest == b.digest
    counts = np.bincount(reference().target)
    assert a.test.y.bincount().tolist() == [round(0.2 * count) for count in counts]
    assert load("digits", test_fraction=0).test is None
