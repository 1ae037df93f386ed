"""The wire format of protocol buffers: fields by number, without a schema.

A field is a varint key (number times 8 plus wire type), then its value: type 0 a varint, 1 eight
bytes, 2 a varint length and so many bytes, 5 four bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["fields", "varint"]

FLOATS = {1: "<d", 5: "<f"}


def fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Number and value of each field: integers for type 0, floats for 1 and 5, bytes for 2.

    Raises:
        ValueError: a message that ends within a field, or another wire type.

    >>> list(fields(b"\\x10\\x96\\x01\\x0a\\x02hi"))
    [(2, 150), (1, b'hi')]
    """
    place = 0
    while place < len(message):
        key, place = varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = varint(message, place)
            yield number, value
            continue
        if kind == 2:
            length, place = varint(message, place)
        elif kind in FLOATS:
            length = struct.calcsize(FLOATS[kind])
        else:
            raise ValueError(f"wire type {kind}")
        content = message[place : place + length]
        if len(content) < length:
            raise ValueError("the message ends within a field")
        place += length
        yield number, content if kind == 2 else struct.unpack(FLOATS[kind], content)[0]


def varint(message: bytes, place: int) -> tuple[int, int]:
    """The integer that starts at ``place``, seven bits per byte, and the place behind it."""
    value = shift = 0
    while True:
        if place >= len(message) or shift > 63:
            raise ValueError("a number without an end")
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
