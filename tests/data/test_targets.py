import pytest
import torch

from nascout.data import Data, split_targets
from nascout.data.arrays import Arrays
from nascout.errors import DataError


def test_parts_share_nothing_and_are_all():
    x = torch.arange(20.0)[:, None, None, None].expand(20, 1, 2, 2).contiguous()
    split = split_targets(x, torch.arange(20.0), val_fraction=0.25, seed=3)
    parts = [part.x[:, 0, 0, 0].tolist() for part in (split.train, split.val)]
    assert sorted(parts[0] + parts[1]) == list(range(20))
    assert len(parts[1]) == 5
    assert split.train.y[:, 0].tolist() == parts[0]
    again = split_targets(x, torch.arange(20.0), val_fraction=0.25, seed=3)
    assert torch.equal(again.val.y, split.val.y)
    assert split.mean.item() == pytest.approx(sum(parts[0]) / 15)


def test_kinds_of_targets_and_their_classes():
    x = torch.zeros(10, 3, 4, 4, dtype=torch.uint8)
    maps = torch.zeros(10, 4, 4, dtype=torch.int64)
    maps[0, 0, 0], maps[1, 1, 1] = 5, -100
    assert split_targets(x, torch.rand(10, 7, dtype=torch.float64)).classes == 7
    assert split_targets(x, maps).classes == 6
    assert split_targets(x, maps, classes=9).classes == 9
    split = split_targets(x, torch.rand(10), test=(x[:2], torch.rand(2)))
    assert (len(split.test), split.classes) == (2, 1)


@pytest.mark.parametrize(
    "y",
    [torch.rand(9), torch.zeros(10, 4, 3, dtype=torch.int64), torch.full((10,), float("nan"))],
)
def test_what_does_not_fit_is_refused(y):
    with pytest.raises(DataError):
        split_targets(torch.zeros(10, 3, 4, 4), y)


def test_too_few_images():
    with pytest.raises(DataError, match="validation part of 0"):
        split_targets(torch.zeros(2, 3, 4, 4), torch.rand(2))


def test_a_data_set_to_search_on_has_one_label_per_image():
    arrays = Arrays(torch.zeros(3, 1, 2, 2), torch.rand(3, 2))
    with pytest.raises(DataError, match="split_targets"):
        Data("numbers", arrays, None, ("a", "b"), False)
