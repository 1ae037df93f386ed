"""Weights carry their digest in their name."""

import pytest
import torch
from torch import nn

from nascout.errors import IntegrityError
from nascout.run.weights import find_weights, save_weights, verify

DIGEST = "0123456789abcdef" * 2


def test_saved_weights_are_found_and_whole(tmp_path):
    path = save_weights(tmp_path, DIGEST, nn.Linear(2, 3))
    assert find_weights(tmp_path, DIGEST) == path
    verify(path)
    assert find_weights(tmp_path, "f" * 32) is None


def test_new_weights_replace_old_ones(tmp_path):
    save_weights(tmp_path, DIGEST, nn.Linear(2, 3))
    path = save_weights(tmp_path, DIGEST, nn.Linear(2, 3))
    assert list(path.parent.iterdir()) == [path]


def test_a_flipped_bit_is_found(tmp_path):
    path = save_weights(tmp_path, DIGEST, nn.Linear(2, 3))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged"):
        verify(path)


def test_the_file_holds_the_state(tmp_path):
    from safetensors.torch import load_file

    net = nn.BatchNorm1d(3)
    net.running_mean += torch.arange(3)
    state = load_file(save_weights(tmp_path, DIGEST, net))
    assert torch.equal(state["running_mean"], torch.arange(3.0))
    assert set(state) == set(net.state_dict())
