import numpy as np
import pytest
import torch

from nascout.data import channel_statistics, normalise


def test_uint8_is_scaled_to_one_before_the_statistics_apply():
    x = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 1, 1, 3)
    out = normalise(x, torch.tensor([0.2]), torch.tensor([0.4]))
    assert out.dtype == torch.float32
    np.testing.assert_allclose(out.flatten(), [-0.5, 0.0, 2.0], atol=1e-6)


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_statistics_agree_with_numpy_and_normalise_to_zero_and_one(kind):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (2500, 3, 2, 2)).astype(kind)  # more than two chunks
    pixels = x / 255 if kind == "uint8" else x.astype(np.float64)
    mean, std = channel_statistics(torch.from_numpy(x))
    np.testing.assert_allclose(mean, pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std, pixels.std((0, 2, 3)), rtol=1e-6)
    out = normalise(torch.from_numpy(x), mean, std).double()
    np.testing.assert_allclose(out.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(out.std((0, 2, 3), correction=0), 1, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e6])
def test_a_constant_channel_becomes_zero_not_nan(value):
    x = torch.full((1500, 1, 3, 3), value)
    mean, std = channel_statistics(x)
    assert std.tolist() == [1.0]
    assert normalise(x, mean, std).abs().max() <= 1e-6 * max(1, abs(value))


def test_a_channel_of_tiny_values_is_not_taken_for_constant():
    x = torch.tensor([1e-12, 3e-12]).reshape(2, 1, 1, 1)
    assert channel_statistics(x)[1].item() == pytest.approx(1e-12)
