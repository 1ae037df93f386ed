import hashlib
import math

import numpy as np
import pytest
import torch

from nascout.network.draw_weights import uniform_weight


@pytest.mark.parametrize("fan_in", [1, 9, 144])
def test_uniform_between_plus_and_minus_one_over_the_root_of_fan_in(fan_in):
    values = uniform_weight(0, "key.weight", (200, 200), fan_in).double().numpy().ravel()
    bound = 1 / math.sqrt(fan_in)
    assert np.abs(values).max() <= bound * (1 + 1e-6)
    # Kolmogorov's statistic against the uniform law: above 1.95 / sqrt(n) with probability .001.
    n = values.size
    expected = (np.sort(values) / bound + 1) / 2
    assert np.abs(expected - np.arange(n) / n).max() < 1.95 / math.sqrt(n)


def test_every_part_of_the_name_matters():
    draws = [
        uniform_weight(0, "a.weight", (4, 3), 3),
        uniform_weight(1, "a.weight", (4, 3), 3),
        uniform_weight(0, "b.weight", (4, 3), 3),
        uniform_weight(0, "a.bias", (4, 3), 3),
    ]
    for i, one in enumerate(draws):
        assert all(not torch.equal(one, other) for other in draws[i + 1 :])
    assert torch.equal(draws[0], uniform_weight(0, "a.weight", (4, 3), 3))


def test_names_give_independent_values():
    one, other = (uniform_weight(0, f"{k}.weight", (100, 100), 9).flatten() for k in "ab")
    correlation = torch.corrcoef(torch.stack([one, other]))[0, 1]
    assert abs(correlation) < 4 / 100  # four standard deviations of 1 / sqrt(10,000)


def test_the_values_are_numpys_philox_on_the_hash_of_the_name():
    """The weights of published runs depend on this: it may not change."""
    digest = hashlib.blake2b(b"3/stem/conv2d.weight", digest_size=16).digest()
    philox = np.random.Philox(key=int.from_bytes(digest, "little"))
    u = np.random.Generator(philox).random((2, 3), dtype=np.float32)
    expected = torch.from_numpy((2 * u - 1) / 2)
    drawn = uniform_weight(3, "stem/conv2d.weight", (2, 3), 4)
    torch.testing.assert_close(drawn, expected, rtol=0, atol=1e-7)


def test_float32_on_the_cpu_without_the_global_generators():
    torch_state, numpy_state = torch.get_rng_state(), str(np.random.get_state())
    drawn = uniform_weight(0, "a.weight", (4,), 4)
    assert drawn.dtype == torch.float32 and drawn.device.type == "cpu"
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert str(np.random.get_state()) == numpy_state
