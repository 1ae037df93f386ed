import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from nascout.data import load
from nascout.errors import DataError, IntegrityError

NAMES = [b"airplane", b"automobile", b"bird"]


def old_string(value):
    """A Python 2 ``str`` as its pickle protocol 2 writes it."""
    return (
        b"U" + bytes([len(value)]) + value
        if len(value) < 256
        else (b"T" + struct.pack("<i", len(value)) + value)
    )


def old_array(x):
    """A uint8 matrix as numpy under Python 2 pickled it: the official files, opcode by opcode."""
    integer = b"".join(b"J" + struct.pack("<i", n) for n in x.shape)
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01" + integer + b"\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + old_string(x.tobytes())
        + b"tb"
    )


def old_dict(**values):
    body = b"".join(old_string(key.encode()) + value for key, value in values.items())
    return b"\x80\x02}(" + body + b"u."


def old_list(items):
    return b"](" + b"".join(items) + b"e"


def batch(x, y, label_key):
    labels = old_list(b"K" + bytes([label]) for label in y)
    return old_dict(data=old_array(x), **{label_key: labels}, batch_label=old_string(b"batch"))


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (12, 3072), dtype=np.uint8)


@pytest.fixture
def files10(pixels):
    """Five batches of two images and a test batch, in the official format of CIFAR-10."""
    files = {
        f"data_batch_{i + 1}": batch(pixels[2 * i : 2 * i + 2], [i % 3, 2], "labels")
        for i in range(5)
    }
    files["test_batch"] = batch(pixels[10:], [0, 1], "labels")
    files["batches.meta"] = old_dict(label_names=old_list(map(old_string, NAMES)))
    return files


@pytest.fixture
def files100(pixels):
    return {
        "train": batch(pixels[:10], [0, 1] * 5, "fine_labels"),
        "test": batch(pixels[10:], [1, 0], "fine_labels"),
        "meta": old_dict(fine_label_names=old_list(map(old_string, [b"apple", b"bee"]))),
    }


def folder(tmp_path, files, name="cifar-10-batches-py"):
    (tmp_path / name).mkdir()
    for file, content in files.items():
        (tmp_path / name / file).write_bytes(content)
    return str(tmp_path / name)


def archive(tmp_path, files, name="cifar-10-batches-py"):
    path = tmp_path / "cifar.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for file, content in files.items():
            info = tarfile.TarInfo(f"{name}/{file}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return str(path)


@pytest.mark.parametrize("store", [folder, archive])
def test_cifar10_is_read_exactly(tmp_path, files10, pixels, store):
    data = load(store(tmp_path, files10))
    assert (data.name, data.flip) == ("cifar10", True)
    assert data.classes == ("airplane", "automobile", "bird")
    assert data.train.y.tolist() == [0, 2, 1, 2, 2, 2, 0, 2, 1, 2]
    assert data.test.y.tolist() == [0, 1]
    assert data.input_shape == (3, 32, 32)
    # Row-major: green (channel 1) of row 2, column 5 is value 1024 + 2 * 32 + 5 of the row.
    assert data.train.x[3, 1, 2, 5] == pixels[3, 1024 + 2 * 32 + 5]
    assert data.test.x[1, 2, 31, 31] == pixels[11, 3071]


@pytest.mark.parametrize("store", [folder, archive])
def test_cifar100_has_its_fine_classes(tmp_path, files100, store):
    data = load(store(tmp_path, files100, "cifar-100-python"))
    assert (data.name, data.classes) == ("cifar100", ("apple", "bee"))
    assert (len(data.train), len(data.test)) == (10, 2)


@pytest.mark.parametrize("store", [folder, archive])
def test_a_missing_file_is_named(tmp_path, files10, store):
    del files10["data_batch_3"]
    with pytest.raises(DataError, match=r"data_batch_3"):
        load(store(tmp_path, files10))


class Hostile:
    def __reduce__(self):
        return exec, ("raise SystemExit('it ran')",)


@pytest.mark.parametrize("store", [folder, archive])
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path, files10, store):
    files10["data_batch_2"] = pickle.dumps({b"data": Hostile()}, protocol=2)
    with pytest.raises(IntegrityError, match=r"data_batch_2 .*__builtin__\.exec|builtins\.exec"):
        load(store(tmp_path, files10))


def test_a_link_in_an_archive_is_not_followed(tmp_path, files10):
    content = files10.pop("data_batch_1")
    (tmp_path / "elsewhere").write_bytes(content)
    path = tmp_path / "cifar.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for file, data in files10.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{file}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "elsewhere")
        tar.addfile(link)
    with pytest.raises(DataError, match="lacks the file"):
        load(str(path))


@pytest.mark.parametrize("content", [b"not an archive", None])
def test_a_damaged_archive_is_refused(tmp_path, files10, content):
    path = archive(tmp_path, files10)
    whole = Path(path).read_bytes()
    Path(path).write_bytes(content or whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a readable archive"):
        load(path)


def test_another_archive_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a CIFAR archive"):
        load(archive(tmp_path, {"readme": b"hello"}, "other"))


def test_a_batch_of_another_form_is_refused(tmp_path, files10):
    files10["test_batch"] = pickle.dumps({b"data": [1, 2], b"labels": [0, 1]}, protocol=2)
    with pytest.raises(DataError, match=r"test_batch .* 3072"):
        load(folder(tmp_path, files10))
