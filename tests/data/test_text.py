"""Text as numbers."""

import gzip

import pytest

from nascout.data.text import load_text, make_text
from nascout.errors import ConfigError, DataError


def test_words_and_the_ends_of_lines(tmp_path):
    paths = {}
    for part, content in (("train", "a b a\nb a\n"), ("val", "b c\n"), ("test", "a\n\n")):
        paths[part] = tmp_path / f"{part}.txt"
        paths[part].write_text(content)
    text = load_text(paths)
    assert text.words == ("a", "<eos>", "b", "<unk>")  # three, two and two in the training part
    assert text.train.tolist() == [0, 2, 0, 1, 2, 0, 1]
    assert text.val.tolist() == [2, 3, 1]
    assert text.test.tolist() == [0, 1, 1]


def test_a_file_is_cut_in_order(tmp_path):
    path = tmp_path / "letters.txt.gz"
    path.write_bytes(gzip.compress(("xy" * 100).encode()))
    text = load_text(path, level="character")
    assert list(map(len, (text.train, text.val, text.test))) == [180, 10, 10]
    assert text.words == ("x", "y")
    assert text.val.tolist() == [0, 1] * 5


def test_rare_words_are_unknown():
    parts = [["a"] * 3 + ["b"] * 2 + ["c"], ["c", "a"], ["b", "d"]]
    text = make_text("t", parts, vocabulary=2)
    assert text.words == ("a", "<unk>")
    assert text.val.tolist() == [1, 0]
    assert text.train.tolist() == [0, 0, 0, 1, 1, 1]


def test_the_texts_own_unknown_words_are_the_same(tmp_path):
    text = make_text("t", [["<unk>", "a", "a"], ["b", "a"], ["<unk>", "a"]])
    assert text.words == ("a", "<unk>")
    assert text.val.tolist() == [1, 0] and text.test.tolist() == [1, 0]


def test_contents_differ():
    one, other = (make_text("t", [["a", "b"], ["a", "b"], [*"ab", x]]) for x in "ab")
    assert one.content() != other.content()
    assert one.content() == make_text("u", [["a", "b"], ["a", "b"], ["a", "b", "a"]]).content()


def test_what_is_no_text(tmp_path):
    with pytest.raises(DataError, match="no file"):
        load_text(tmp_path / "none.txt")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is no text"):
        load_text(tmp_path / "bytes")
    (tmp_path / "broken.gz").write_bytes(gzip.compress(b"abc")[:-9])
    with pytest.raises(DataError, match="is no text"):
        load_text(tmp_path / "broken.gz")
    with pytest.raises(ConfigError, match="parts train"):
        load_text({"train": "x"})
    (tmp_path / "good").write_text("a b c")
    with pytest.raises(ConfigError, match="level 'sentence'"):
        load_text(tmp_path / "good", level="sentence")
    with pytest.raises(DataError, match="val has 0 words"):
        load_text(tmp_path / "good")
    with pytest.raises(ConfigError, match="vocabulary of 1"):
        make_text("t", [["a", "b"]] * 3, vocabulary=1)
