import numpy as np
import pytest
import torch

from nascout.data import load
from nascout.errors import ConfigError, DataError


def images(n=10, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 6, 6, 3), dtype=np.uint8)


def save(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


def test_all_four_arrays_are_read(tmp_path):
    x, y = images(), np.arange(10) % 2
    spec = save(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:4], y_test=y[:4])
    data = load(spec)
    assert (data.name, data.input_shape, data.classes, data.flip) == (
        "a",
        (3, 6, 6),
        ("0", "1"),
        False,
    )
    np.testing.assert_array_equal(data.train.x.permute(0, 2, 3, 1), x)
    assert data.test.y.tolist() == [0, 1, 0, 1]
    assert load(spec, flip=True).flip
    assert load(spec, image_size=3).input_shape == load(spec, image_size=3).test.x.shape[1:]


def test_without_a_test_part_a_fixed_one_is_held_out(tmp_path):
    spec = save(tmp_path / "a.npz", x_train=images(20), y_train=np.arange(20) % 2)
    data = load(spec, test_fraction=0.3)
    assert (len(data.train), len(data.test)) == (14, 6)
    assert data.digest == load(spec, test_fraction=0.3).digest
    assert load(spec, test_fraction=0).test is None
    with pytest.raises(ConfigError):
        load(spec, test_fraction=1.0)


def test_classes_may_be_named(tmp_path):
    spec = save(
        tmp_path / "a.npz", x_train=images(), y_train=np.arange(10) % 2, classes=["b", "a", "z"]
    )
    data = load(spec)
    assert data.classes == ("b", "a", "z")
    assert set(data.train.y.tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": images()}, r"holds the arrays images\. It needs x_train, y_train"),
        ({"x_train": images(), "y_train": np.zeros(10, int), "x_test": images()}, "It needs"),
        ({"x_train": images(), "y_train": np.zeros(9, int)}, "10 training images and 9 labels"),
        ({"x_train": images(), "y_train": np.zeros(10)}, "one integer or string"),
        ({"x_train": images(), "y_train": np.zeros(10, int)}, "at least two"),
        ({"x_train": np.full((2, 4, 4), np.nan), "y_train": np.arange(2)}, "NaN"),
        ({"x_train": np.zeros((0, 4, 4)), "y_train": np.zeros(0, int)}, "no images"),
        ({"x_train": np.array([{}, {}]), "y_train": np.arange(2)}, "'x_train' .* without objects"),
        (
            {
                "x_train": images(),
                "y_train": np.arange(10) % 2,
                "x_test": images(),
                "y_test": np.arange(10) % 3,
            },
            "test labels holds the label 2",
        ),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, arrays, message):
    spec = save(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load(spec)


@pytest.mark.parametrize("damage", ["text", "cut", "flipped", "npy"])
def test_damaged_files_are_refused(tmp_path, damage):
    path = tmp_path / "a.npz"
    spec = save(path, x_train=images(), y_train=np.arange(10) % 2)
    content = bytearray(path.read_bytes())
    if damage == "text":
        content = b"not a zip file"
    elif damage == "cut":
        content = content[:200]
    elif damage == "flipped":
        content[300] ^= 255  # in the pixels: the check sum of the archive notices
    else:
        np.save(path.with_suffix(".npy"), images())
        content = path.with_suffix(".npy").read_bytes()
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"numpy\.savez"):
        load(spec)


@pytest.mark.slow
def test_real_cifar_has_the_known_statistics(shared_data):
    path = shared_data / "cifar10_16k.npz"
    data = load(str(path), flip=True)
    assert (data.input_shape, len(data.train), len(data.test)) == ((3, 32, 32), 12000, 4000)
    assert data.classes[3] == "cat"
    mean = data.split().mean  # published for all 50,000: 0.4914, 0.4822, 0.4465
    torch.testing.assert_close(mean, torch.tensor([0.4914, 0.4822, 0.4465]), atol=0.01, rtol=0)
