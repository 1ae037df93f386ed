import os

import numpy as np
import pytest
from PIL import Image

from nascout.data import load
from nascout.errors import DataError, UnsafePath


def draw(path, value, size=(6, 5), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


@pytest.fixture
def root(tmp_path):
    """Two classes of five images; the red value says which image it is."""
    for c, name in enumerate(["cat", "ant"]):
        for i in range(5):
            draw(tmp_path / "pets" / name / f"{i}.png", (100 * c + i, 0, 7))
    return tmp_path / "pets"


def test_classes_and_images_are_in_sorted_order(root):
    data = load(str(root), test_fraction=0)
    assert (data.name, data.classes, data.flip, data.test) == ("pets", ("ant", "cat"), True, None)
    assert data.input_shape == (3, 5, 6)
    assert data.train.x[:, 0, 0, 0].tolist() == [100, 101, 102, 103, 104, 0, 1, 2, 3, 4]
    assert data.train.y.tolist() == [0] * 5 + [1] * 5
    assert (data.train.x[:, 2] == 7).all()


def test_train_and_test_folders(root, tmp_path):
    for part in ("train", "test"):
        for name in ("a", "b"):
            draw(tmp_path / "set" / part / name / "0.png", 3 if part == "train" else 9, mode="L")
    data = load(str(tmp_path / "set"))
    assert data.input_shape == (1, 5, 6)
    assert data.train.x.unique().tolist() == [3]
    assert data.test.x.unique().tolist() == [9]
    draw(tmp_path / "set" / "val" / "a" / "0.png", 3, mode="L")
    with pytest.raises(DataError, match="holds val beside train"):
        load(str(tmp_path / "set"))


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train", "plane"):
        draw(tmp_path / name / "0.png", 1, mode="L")
    assert load(str(tmp_path), test_fraction=0).classes == ("plane", "train")


def test_sizes_that_differ_are_named_and_can_be_resized(root):
    draw(root / "cat" / "9.png", 0, size=(8, 5))
    with pytest.raises(DataError, match=r"ant.0\.png is 6x5, cat.9\.png is 8x5.*--image-size N"):
        load(str(root))
    assert load(str(root), image_size=4).input_shape == (3, 4, 4)


def test_grey_colour_palette_and_transparency_become_rgb(root):
    draw(root / "cat" / "5.png", 50, mode="L")
    draw(root / "cat" / "6.png", (60, 61, 62, 0), mode="RGBA")
    picture = Image.new("P", (6, 5), 0)
    picture.putpalette([70, 71, 72])
    picture.save(root / "cat" / "7.png", transparency=b"\x00")
    x = load(str(root), test_fraction=0).train.x
    assert x[-3:, :, 0, 0].tolist() == [[50, 50, 50], [60, 61, 62], [70, 71, 72]]


def test_pixels_of_16_bits_are_refused_rather_than_clipped(root):
    Image.fromarray(np.full((5, 6), 4000, np.uint16)).save(root / "cat" / "9.png")
    with pytest.raises(DataError, match=r"9\.png has pixels of mode I;16"):
        load(str(root))


@pytest.mark.parametrize("content", [b"", b"not an image", None])
def test_an_unreadable_image_is_named(root, content):
    path = root / "cat" / "9.png"
    path.write_bytes((root / "cat" / "0.png").read_bytes()[:-30] if content is None else content)
    with pytest.raises(DataError, match=r"cannot read the image .*9\.png"):
        load(str(root))


def test_empty_folders_are_refused_and_other_files_ignored(root, tmp_path):
    (root / "cat" / "notes.txt").write_text("")
    draw(root / ".cache" / "0.png", 1)
    draw(root / "cat" / ".cache" / "0.png", 1)
    assert len(load(str(root), test_fraction=0).train) == 10
    (root / "dog").mkdir()
    with pytest.raises(DataError, match=r"dog holds no images"):
        load(str(root))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no sub-folders"):
        load(str(tmp_path / "empty"))


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links here")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_links_may_not_leave_the_folder(root, tmp_path, what):
    draw(tmp_path / "outside" / "secret.png", 1)
    target = tmp_path / "outside" / ("secret.png" if what == "file" else "")
    (root / "cat" / "inner.png").symlink_to(root / "cat" / "0.png")
    assert len(load(str(root), test_fraction=0).train) == 11
    (root / ("cat/link.png" if what == "file" else "dog")).symlink_to(target)
    with pytest.raises(UnsafePath, match="link"):
        load(str(root))
