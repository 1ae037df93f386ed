"""CRC-32C (Castagnoli) of many byte strings at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["crc32c", "masked_crc32c"]

Words = np.ndarray[Any, np.dtype[np.uint32]]
POLYNOMIAL = np.uint32(0x82F63B78)  # reflected
MASK = np.uint32(0xA282EAD8)


def crc32c(contents: Sequence[bytes]) -> Words:
    """The checksum of each string; all of them advance by one byte at a time.

    RFC 3720, appendix B.4.

    >>> [hex(value) for value in crc32c([b"123456789", b""]).tolist()]
    ['0xe3069283', '0x0']
    """
    order = np.argsort([-len(content) for content in contents], kind="stable")
    lengths = np.array([len(contents[i]) for i in order], dtype=np.int64)
    width = int(lengths.max(initial=0))
    padded = b"".join(contents[i].ljust(width, b"\0") for i in order)
    columns = np.frombuffer(padded, np.uint8).reshape(len(contents), width).T.copy()
    table = _table()
    state = np.full(len(contents), 0xFFFFFFFF, dtype=np.uint32)
    # The strings are sorted by length: those that still have a byte here come first.
    counts = np.searchsorted(-lengths, -np.arange(width), side="left")
    for column, count in zip(columns, counts.tolist(), strict=True):
        live = state[:count]
        state[:count] = table[(live ^ column[:count]) & 0xFF] ^ (live >> np.uint32(8))
    found = np.empty_like(state)
    found[order] = ~state
    return found


def masked_crc32c(contents: Sequence[bytes]) -> Words:
    """As TensorFlow's record files store it: rotated right by 15 bits, plus a constant."""
    crc = crc32c(contents)
    return np.asarray(((crc >> np.uint32(15)) | (crc << np.uint32(17))) + MASK)


def _table() -> Words:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> np.uint32(1)) ^ POLYNOMIAL, table >> np.uint32(1))
    return table
