"""Text for language models: words or characters as numbers, in three parts."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from nascout.errors import ConfigError, DataError

__all__ = ["UNKNOWN", "Text", "load_text", "make_text"]

END = "<eos>"  # of a line, among words
UNKNOWN = "<unk>"
PARTS = ("train", "val", "test")
SHARES = (0.9, 0.05, 0.05)


@dataclass(frozen=True, eq=False)
class Text:
    """A text as numbers.

    Attributes:
        name: of the text in reports.
        train, val, test: int64, (n,), numbers of words in ``words``.
        words: the vocabulary: what occurs in ``train``, the most frequent first.
        level: ``word`` or ``character``.
    """

    name: str
    train: Tensor
    val: Tensor
    test: Tensor
    words: tuple[str, ...]
    level: str

    def content(self) -> str:
        """SHA-256 (64 hex digits) of all parts and the vocabulary."""
        digest = sha256("\n".join(self.words).encode())
        for part in (self.train, self.val, self.test):
            digest.update(part.numpy().tobytes())
        return digest.hexdigest()


def load_text(
    source: str | Path | Mapping[str, str | Path],
    *,
    level: str = "word",
    vocabulary: int | None = None,
) -> Text:
    """Read a text file (UTF-8, perhaps gzipped), or one each for ``train``, ``val`` and ``test``.

    One file is cut into 90, 5 and 5 percent, in that order.

    Args:
        source: a path, or paths by part.
        level: ``word``: what stands between blanks, and ``<eos>`` at the end of every line, as for
            Penn Treebank and WikiText; or ``character``.
        vocabulary: how many words are kept, the most frequent ones; all by default.

    Raises:
        ConfigError: another level, parts, or size of the vocabulary.
        DataError: a file that cannot be read or is no text.
    """
    if isinstance(source, Mapping):
        if set(source) != set(PARTS):
            raise ConfigError(
                f"a text of the parts {', '.join(source) or 'none'}", f"Give {', '.join(PARTS)}."
            )
        name = Path(source["train"]).name
        parts = [_units(_read(Path(source[part])), level) for part in PARTS]
    else:
        name = Path(source).name
        parts = _cut(_units(_read(Path(source)), level))
    return make_text(name, parts, level=level, vocabulary=vocabulary)


def make_text(
    name: str, parts: list[list[str]], *, level: str = "word", vocabulary: int | None = None
) -> Text:
    """A text of three parts that are words or characters already.

    What is not in the vocabulary becomes ``<unk>``, which is then a part of it.

    Raises:
        ConfigError: a vocabulary of less than two.
        DataError: a part with less than two words.

    >>> text = make_text("tiny", [["a", "b", "a"], ["a", "c"], ["b", "b"]])
    >>> text.words, text.val.tolist()
    (('a', 'b', '<unk>'), [0, 2])
    """
    if vocabulary is not None and vocabulary < 2:
        raise ConfigError(f"a vocabulary of {vocabulary}", "Give at least two words.")
    for part, content in zip(PARTS, parts, strict=True):
        if len(content) < 2:
            raise DataError(f"{name}: {part} has {len(content)} words", "Give at least two.")
    counted = Counter(parts[0])
    words = sorted(counted, key=lambda word: (-counted[word], word))
    others = {word for part in parts for word in part} - set(words)
    if others or (vocabulary is not None and vocabulary < len(words)):
        words = [word for word in words if word != UNKNOWN][: vocabulary and vocabulary - 1]
        words.append(UNKNOWN)
    place = {word: number for number, word in enumerate(words)}
    unknown = place.get(UNKNOWN, 0)
    train, val, test = (torch.tensor([place.get(word, unknown) for word in part]) for part in parts)
    return Text(name, train, val, test, tuple(words), level)


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    except FileNotFoundError:
        raise DataError(f"no file {path}", "Check the path.") from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no text ({error})", "Give UTF-8, gzipped or not.") from error


def _units(text: str, level: str) -> list[str]:
    if level == "character":
        return list(text)
    if level != "word":
        raise ConfigError(f"level {level!r}", "Give word or character.")
    return [word for line in text.splitlines() for word in (*line.split(), END)]


def _cut(units: list[str]) -> list[list[str]]:
    ends = [round(len(units) * share) for share in (SHARES[0], SHARES[0] + SHARES[1])]
    return [units[: ends[0]], units[ends[0] : ends[1]], units[ends[1] :]]
