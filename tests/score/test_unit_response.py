"""The closed form of a layer's response against a forward pass per channel."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.linalg import block_diag

from nascout.score.unit_response import (
    normal_weight,
    own_weight,
    response,
    simulated_response,
)
from nascout.score.unit_steps import Conv, Dense


def links(mask):
    """(in, out): the mask without its groups."""
    return block_diag(*mask.blocks)


@st.composite
def convolutions(draw):
    """Of any geometry, over 1 to 3 axes."""
    axes = draw(st.integers(1, 3))

    def sizes(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    kernel, groups = sizes(1, 4), draw(st.integers(1, 3))
    size, stride, dilation = sizes(1, 7), sizes(1, 3), sizes(1, 2)
    padding = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(axes))
    for n, k, d, pads in zip(size, kernel, dilation, padding, strict=True):
        assume(n + sum(pads) >= d * (k - 1) + 1)
    out, read = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    shape = (out * groups, read, *kernel)
    return Conv(draw(st.text(max_size=5)), shape, size, stride, padding, dilation, groups)


@pytest.mark.slow  # PyTorch prepares a kernel for every geometry
@given(convolutions())
def test_closed_form_and_simulation_agree(layer):
    weight = normal_weight(layer)
    assert (links(response(layer, weight)) == links(simulated_response(layer, weight))).all()


def test_a_1x1_kernel_responds_where_it_is_positive():
    layer = Conv("a", (5, 4, 1, 1), (8, 8), (1, 1), ((0, 0), (0, 0)), (1, 1))
    weight = normal_weight(layer)
    assert (links(response(layer, weight)) == (weight[:, :, 0, 0] > 0).T.numpy()).all()


def test_a_3x3_kernel_responds_where_any_of_nine_border_sums_is_positive():
    layer = Conv("b", (6, 5, 3, 3), (8, 8), (1, 1), ((1, 1), (1, 1)), (1, 1))
    weight = normal_weight(layer)
    parts = (slice(1, 3), slice(0, 3), slice(0, 2))
    sums = [weight[:, :, rows, columns].sum((2, 3)) for rows in parts for columns in parts]
    assert (links(response(layer, weight)) == (torch.stack(sums) > 0).any(0).T.numpy()).all()


def test_a_map_of_one_pixel_sees_the_centre_only():
    layer = Conv("c", (6, 5, 3, 3), (1, 1), (1, 1), ((1, 1), (1, 1)), (1, 1))
    weight = normal_weight(layer)
    assert (links(response(layer, weight)) == (weight[:, :, 1, 1] > 0).T.numpy()).all()


def test_groups_are_not_connected():
    layer = Conv("d", (4, 3, 1, 1), (2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1), groups=2)
    block = np.ones((3, 2), bool)
    expected = np.block([[block, ~block], [~block, block]])
    assert (links(response(layer, torch.ones(layer.shape))) == expected).all()


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=12), st.integers(1, 4))
def test_a_matrix_sums_over_the_features_of_a_channel(channel, out):
    layer = Dense("e", (out, len(channel)), tuple(channel), 4)
    weight = normal_weight(layer)
    assert (links(response(layer, weight)) == links(simulated_response(layer, weight))).all()


def test_normal_weights_depend_on_seed_name_and_shape():
    def layer(name, *shape):
        return Dense(name, shape, tuple(range(shape[1])), shape[1])

    first = normal_weight(layer("a", 50, 40))
    assert torch.equal(first, normal_weight(layer("a", 50, 40)))
    others = [normal_weight(layer("b", 50, 40)), normal_weight(layer("a", 50, 40), seed=1)]
    for other in others:
        correlation = torch.corrcoef(torch.stack((first.flatten(), other.flatten())))[0, 1]
        assert abs(correlation) < 5 / 2000**0.5
    # Mean and variance of 2,000 standard normal values, five standard errors wide.
    assert abs(first.mean()) < 5 / 2000**0.5
    assert first.var() == pytest.approx(1, abs=5 * (2 / 2000) ** 0.5)


def test_own_weights_are_read_in_single_precision_or_better():
    assert own_weight(torch.ones(2, dtype=torch.bfloat16)).dtype == torch.float32
    assert own_weight(torch.ones(2, dtype=torch.float64)).dtype == torch.float64
