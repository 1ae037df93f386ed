import re
from dataclasses import replace

import pytest
import torch

from nascout.data import Arrays, Data
from nascout.errors import DataError


def make(n=40, classes=4, test=True, flip=False, offset=0):
    """Every image holds its own number, so that it can be found again."""
    x = torch.arange(n, dtype=torch.float32)[:, None, None, None].expand(n, 1, 2, 2) + offset
    y = torch.arange(n) % classes
    held = Arrays(x + 1000, y) if test else None
    return Data("made", Arrays(x.contiguous(), y), held, tuple("abcdefgh"[:classes]), flip)


def test_split_is_disjoint_complete_stratified_and_leaves_test_alone():
    data = make()
    split = data.split(0.25, seed=1)
    train, val = split.train.x[:, 0, 0, 0].tolist(), split.val.x[:, 0, 0, 0].tolist()
    assert sorted(train + val) == list(range(40))
    assert split.val.y.bincount().tolist() == [2, 2, 2, 2]  # round(0.25 * 10) rounds to even
    assert all(int(v) % 4 == y for v, y in zip(val, split.val.y.tolist(), strict=True))
    assert split.test is data.test
    assert (split.classes, split.flip) == (4, False)


def test_split_statistics_come_from_the_training_part_only():
    split = make().split()
    pixels = split.train.x.double()
    assert split.mean.item() == pytest.approx(pixels.mean().item())
    assert split.std.item() == pytest.approx(pixels.std(correction=0).item())


def test_split_depends_on_the_seed_alone():
    a, b, c = (make().split(seed=seed).val.x for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 2])
def test_split_refuses_fractions_that_leave_a_part_empty(fraction):
    with pytest.raises(DataError, match="between 0 and 1"):
        make().split(fraction)


def test_split_of_one_image_per_class_is_refused():
    with pytest.raises(DataError, match="second image"):
        make(n=4).split()


def test_batch_is_normalised_distinct_and_deterministic():
    data = make()
    x, y = data.batch(40, seed=5)
    raw = x[:, 0, 0, 0].double() * torch.arange(40.0).double().std(correction=0) + 19.5
    assert sorted(round(v) for v in raw.tolist()) == list(range(40))
    assert [round(v) % 4 for v in raw.tolist()] == y.tolist()
    assert torch.equal(data.batch(7, seed=2)[0], data.batch(7, seed=2)[0])
    assert not torch.equal(data.batch(7, seed=2)[0], data.batch(7, seed=3)[0])


@pytest.mark.parametrize("n", [0, 41])
def test_batch_says_how_many_there_are(n):
    with pytest.raises(DataError, match=f"batch of {n} from 40 training images"):
        make().batch(n)


def test_digest_is_of_the_content():
    data = make()
    assert re.fullmatch("[0-9a-f]{64}", data.digest)
    assert data.digest == replace(make(), name="another").digest
    others = [
        make(offset=1),
        make(test=False),
        make(flip=True),
        replace(data, classes=tuple("wxyz")),
        replace(data, train=Arrays(data.train.x.reshape(40, 1, 1, 4), data.train.y), test=None),
        replace(data, train=Arrays(data.train.x, data.train.y.flip(0))),
    ]
    assert len({data.digest, *(other.digest for other in others)}) == 7


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(2, 3, 3), torch.zeros(2).long(), "shape"),
        (torch.zeros(2, 1, 3, 3).double(), torch.zeros(2).long(), "float64"),
        (torch.zeros(0, 1, 3, 3), torch.zeros(0).long(), "no images"),
        (torch.zeros(2, 1, 3, 3), torch.zeros(3).long(), "2 images with labels"),
        (torch.zeros(2, 1, 3, 3), torch.zeros(2), "one int64 label"),
        (torch.tensor([0.0, torch.inf]).reshape(2, 1, 1, 1), torch.zeros(2).long(), "image 1"),
    ],
)
def test_arrays_refuse_what_cannot_be_trained_on(x, y, message):
    with pytest.raises(DataError, match=message):
        Arrays(x, y)


def test_data_refuses_labels_without_a_class_and_parts_that_differ():
    part = make().train
    with pytest.raises(DataError, match="from 0 to 3 with 2 classes"):
        Data("d", part, None, ("a", "b"), False)
    with pytest.raises(DataError, match="at least two"):
        Data("d", part, None, ("a",), False)
    other = Arrays(part.x.reshape(40, 1, 1, 4), part.y)
    with pytest.raises(DataError, match=r"\(1, 1, 4\), training images"):
        Data("d", part, other, tuple("abcd"), False)
