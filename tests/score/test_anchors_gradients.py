"""Gradients of weights by other people's code: same weights, same inputs, same numbers."""

import numpy as np
import pytest
import torch

from nascout.score.card import SCORES
from nascout.score.fisher import fisher
from nascout.score.l2_norm import l2_norm
from nascout.score.synflow import synflow
from nascout.score.zico import zico

# One shallow, one deep; batches of 128 take seconds per score.
CELLS = (4, 9)


def labels(seed):
    return torch.from_numpy(np.random.RandomState(seed).randint(0, 10, 128))


@pytest.mark.slow
@pytest.mark.parametrize("index", CELLS)
def test_loss_gradients_are_the_released_code(anchor_scores, keyed, noise, index):
    text, expected = list(anchor_scores("samsung_on_dxy").items())[index]
    net, x, y = keyed(text), noise(0, 128), labels(1)
    for name in ("grad_norm", "snip", "plain", "grasp"):
        assert SCORES[name](net, x, y) == pytest.approx(expected[f"{name}_keyed"], rel=1e-4), name
    released = fisher(net, x, y, released=True)
    assert released == pytest.approx(expected["fisher_keyed"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(10))
def test_synflow_is_the_released_code(anchor_scores, keyed, index):
    """In float64, so to the last digits."""
    text, expected = list(anchor_scores("samsung_on_dxy").items())[index]
    net = keyed(text)
    assert synflow(net) == pytest.approx(expected["synflow_keyed"], rel=1e-12)
    assert synflow(net, bn=True) == pytest.approx(expected["synflow_bn_keyed"], rel=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("index", CELLS)
def test_zico_is_the_released_code(anchor_scores, keyed, noise, index):
    """One weight whose two gradients almost agree can be most of its tensor's sum.

    Its part is then rounding: float32 and float64 are up to .7 % apart. Deviations by n - 1
    would be 3 % apart.
    """
    text, expected = list(anchor_scores("zico").items())[index]
    x, y = torch.cat([noise(0, 128), noise(3, 128)]), torch.cat([labels(1), labels(4)])
    assert zico(keyed(text), x, y) == pytest.approx(expected["keyed"], rel=0.01)


@pytest.mark.parametrize("index", range(10))
def test_l2_norm_is_naslib_s_up_to_the_draw_of_the_weights(anchor_scores, keyed, index):
    text, expected = list(anchor_scores("naslib_other").items())[index]
    assert l2_norm(keyed(text)) == pytest.approx(expected["seed0"]["l2_norm"], rel=0.01)
