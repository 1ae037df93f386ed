"""Masks of groups against the matrix that they stand for."""

import numpy as np
import pytest
from scipy.linalg import block_diag

from nascout.score.unit_mask import Mask, kept


@pytest.fixture(params=[(1, 5, 4), (3, 2, 4), (6, 1, 1)])
def mask(request):
    return Mask(np.random.default_rng(0).random(request.param) < 0.5)


def test_sums_and_pairs_are_those_of_the_whole_matrix(mask):
    matrix = block_diag(*mask.blocks)
    heard = np.arange(len(matrix)) + 1
    channel = np.array([4, 0, 0, 2])
    assert mask.outputs == matrix.shape[1]
    assert mask.leaving.tolist() == matrix.sum(1).tolist()
    assert mask.reaching(heard).tolist() == (heard @ matrix).tolist()
    assert np.transpose(mask.pairs(channel)).tolist() == np.argwhere(matrix[channel]).tolist()


def test_a_kept_channel_is_its_own():
    assert (block_diag(*kept(5).blocks) == np.eye(5)).all()
