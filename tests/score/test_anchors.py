"""The authors' own code on ten NAS-Bench-201 cells: same weights, same inputs, same numbers."""

import math

import pytest
import torch

from nascout.score.epsilon import epsilon
from nascout.score.naswot import naswot

DOUBLE = (3,)  # a float64 pass over a batch of 256 takes seconds


@pytest.mark.slow
@pytest.mark.parametrize("index", range(0, 10, 2))
def test_naswot_is_the_released_code(anchor_scores, keyed, noise, index):
    text, expected = list(anchor_scores("naswot_v2").items())[index]
    assert naswot(keyed(text), noise(0, 128), released=True) == pytest.approx(
        expected["keyed"], rel=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize("index", range(10))
@pytest.mark.parametrize("inputs", ["noise256", "grey256"])
def test_epsilon_is_the_released_code(anchor_scores, keyed, noise, index, inputs):
    text, expected = list(anchor_scores("epsinas").items())[index]
    net = keyed(text)
    grey = (torch.arange(256.0) / 256).view(-1, 1, 1, 1).expand(256, 3, 32, 32)
    x = noise(2, 256) if inputs == "noise256" else grey
    # Outputs are scaled to 0..1 and subtracted: float32 leaves a few 1e-7 of noise.
    assert epsilon(net, x) == pytest.approx(expected[inputs], rel=1e-4, abs=2e-6, nan_ok=True)
    if index not in DOUBLE:
        return
    double = epsilon(net, x, dtype=torch.float64)
    assert math.isfinite(double)
    assert double == pytest.approx(expected[f"{inputs}_float64"], rel=1e-4)


def test_the_anchors_hold_both_finite_and_undefined_scores(anchor_scores):
    """So that the comparison above is one."""
    values = [entry["noise256"] for entry in anchor_scores("epsinas").values()]
    assert {math.isnan(value) for value in values} == {True, False}
