"""From a notation to its row, for hundreds of thousands of them, in a few megabytes."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

__all__ = ["Integers", "NotationIndex", "first_rows"]

Integers = np.ndarray[Any, np.dtype[np.int64]]


class NotationIndex:
    """Distinct texts, numbered in the order of their first appearance.

    A sorted table of 64-bit hashes leads to the text, which is compared in full. Beside the
    texts themselves it takes 24 bytes each.

    Args:
        texts: one per row; the same text may come again.

    >>> index = NotationIndex(["b", "a", "b"])
    >>> len(index), list(index), index.find("a"), index.find("c"), index.groups
    (2, ['b', 'a'], 1, None, array([0, 1, 0]))
    """

    groups: Integers | None
    """The number of each row's text; ``None`` where every row has its own."""

    def __init__(self, texts: Iterable[str]) -> None:
        encoded = [text.encode() for text in texts]
        hashes = np.fromiter(map(hash, encoded), np.int64, len(encoded))
        first = _first_places(encoded, hashes)
        kept = np.unique(first)
        self.groups = None
        if len(kept) < len(encoded):
            self.groups = np.searchsorted(kept, first)
            encoded = [encoded[row] for row in kept]
        order = np.argsort(hashes[kept], kind="stable")
        self._hashes = array("q", hashes[kept][order].tobytes())
        self._numbers = array("q", order.astype(np.int64).tobytes())
        self._content = b"".join(encoded)
        self._ends = array("q", np.cumsum([0, *map(len, encoded)], dtype=np.int64).tobytes())

    def find(self, text: str) -> int | None:
        """The number of ``text``, or ``None``."""
        wanted = text.encode()
        value = hash(wanted)
        place = bisect_left(self._hashes, value)
        while place < len(self._hashes) and self._hashes[place] == value:
            number = self._numbers[place]
            if self._content[self._ends[number] : self._ends[number + 1]] == wanted:
                return number
            place += 1
        return None

    def __getitem__(self, number: int) -> str:
        return self._content[self._ends[number] : self._ends[number + 1]].decode()

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[str]:
        return (self[number] for number in range(len(self)))


def first_rows(groups: Integers) -> Integers:
    """The first row of each group.

    >>> first_rows(np.array([0, 1, 0, 2]))
    array([0, 1, 3])
    """
    return np.asarray(np.unique(groups, return_index=True)[1])


def _first_places(encoded: list[bytes], hashes: Integers) -> Integers:
    """For each row, the first row with the same text."""
    first = np.arange(len(encoded))
    order = np.argsort(hashes, kind="stable")
    same = np.flatnonzero(np.diff(hashes[order]) == 0)
    doubtful = np.unique(order[np.concatenate([same, same + 1])])
    seen: dict[bytes, int] = {}
    for row in doubtful.tolist():
        first[row] = seen.setdefault(encoded[row], row)
    return first
