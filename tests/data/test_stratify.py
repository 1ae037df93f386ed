from collections import Counter

import torch

from nascout.data.stratify import hold_out


def test_every_class_gives_its_share_and_no_index_is_lost_or_doubled():
    y = torch.tensor([0] * 50 + [1] * 10 + [2] * 2 + [3])
    kept, held = hold_out(y, 0.2, "val")
    assert sorted(kept.tolist() + held.tolist()) == list(range(63))
    assert Counter(y[held].tolist()) == {0: 10, 1: 2, 2: 1}
    assert kept.tolist() == sorted(kept.tolist())


def test_a_class_keeps_one_image_even_if_nearly_all_are_held_out():
    kept, held = hold_out(torch.tensor([0] * 10), 0.99, "val")
    assert (len(kept), len(held)) == (1, 9)


def test_same_seed_same_split_other_seed_or_purpose_another():
    y = torch.arange(100) % 5
    assert torch.equal(hold_out(y, 0.2, "val", 3)[1], hold_out(y, 0.2, "val", 3)[1])
    assert not torch.equal(hold_out(y, 0.2, "val", 3)[1], hold_out(y, 0.2, "val", 4)[1])
    assert not torch.equal(hold_out(y, 0.2, "val", 3)[1], hold_out(y, 0.2, "test", 3)[1])
