from pathlib import Path

import numpy as np
import pytest
import torch

from nascout.data import as_data, load
from nascout.errors import DataError


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("digit", r"unknown data 'digit'\. Give 'digits', FILE\.npz"),
        ("no/such/file.npz", r"no file or folder no/such/file\.npz"),
        ("missing.tar.gz", "no file or folder"),
        (__file__, "no kind of data"),
    ],
)
def test_unknown_and_missing_sources(spec, message):
    with pytest.raises(DataError, match=message):
        load(spec)


def test_data_paths_and_arrays_are_accepted(tmp_path):
    x, y = np.zeros((6, 8, 8, 3), np.uint8), np.arange(6) % 2
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y)
    data = as_data(Path(tmp_path / "a.npz"))
    assert as_data(data) is data
    assert as_data(data, flip=True).flip
    assert as_data(data, image_size=2).input_shape == (3, 2, 2)
    assert as_data((x, y), test_fraction=0).input_shape == (3, 8, 8)
    tensors = torch.zeros(6, 3, 4, 3), torch.from_numpy(y)  # tensors: channels come first
    assert as_data(tensors).input_shape == (3, 4, 3)
    assert len(as_data((x, y, x[:2], y[:2]), name="four").test) == 2


@pytest.mark.parametrize("thing", [3, None, torch.zeros(3), (1, 2), [np.zeros(2)] * 3])
def test_other_things_are_refused(thing):
    with pytest.raises(DataError):
        as_data(thing)
