import numpy as np
import pytest
import torch
from PIL import Image

from nascout.data.images import from_numpy, resize
from nascout.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 5, 6), (2, 1, 5, 6)),
        ((2, 5, 6, 3), (2, 3, 5, 6)),
        ((2, 3, 5, 6), (2, 3, 5, 6)),
        ((2, 5, 5, 1), (2, 1, 5, 5)),
        ((2, 4, 5, 5), (2, 4, 5, 5)),
    ],
)
def test_the_channel_axis_is_found(shape, expected):
    x = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    out = from_numpy(x, "x")
    assert tuple(out.shape) == expected
    c, i, j = expected[1] - 1, 2, 3
    source = x[1, i, j] if len(shape) == 3 else x[1, i, j, c] if shape[1] == 5 else x[1, c, i, j]
    assert out[1, c, i, j] == source


@pytest.mark.parametrize("shape", [(2, 3, 5, 3), (2, 1, 1, 1), (2, 5, 5, 2), (2, 6, 7, 8)])
def test_nothing_is_guessed_where_both_or_no_axis_could_be_the_channels(shape):
    with pytest.raises(DataError, match=r"either axis could be|neither axis is"):
        from_numpy(np.zeros(shape), "x_train")


def test_types():
    assert from_numpy(np.zeros((1, 2, 2), np.uint8), "x").dtype == torch.uint8
    assert from_numpy(np.full((1, 2, 2), 700, np.int64), "x").flatten().tolist() == [700.0] * 4
    assert from_numpy(np.full((1, 2, 2), 1e300), "x").isinf().all()  # for Arrays to refuse
    with pytest.raises(DataError, match="not numbers"):
        from_numpy(np.array([[["a"]]]), "x")
    with pytest.raises(DataError, match="shape"):
        from_numpy(np.zeros((2, 2)), "x")


def test_resize_agrees_with_pillow():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (9, 14, 3), dtype=np.uint8)
    for size in (6, 20):
        pillow = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
        ours = resize(torch.from_numpy(image).permute(2, 0, 1)[None].contiguous(), size)
        assert ours.dtype == torch.uint8
        np.testing.assert_allclose(ours[0].permute(1, 2, 0).int(), pillow.astype(int), atol=1)
    with pytest.raises(ConfigError):
        resize(torch.zeros(1, 1, 2, 2), 0)
