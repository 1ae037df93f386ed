"""TensorFlow's record files, without TensorFlow.

A record is: its length, eight bytes, little endian; the masked CRC-32C of those eight bytes, four
bytes; the content; the masked CRC-32C of the content, four bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from nascout.benchmark.official.crc32c import masked_crc32c
from nascout.errors import DataError, IntegrityError

__all__ = ["read_tfrecord"]

HEAD = struct.Struct("<QI")
TAIL = struct.Struct("<I")
BATCH = 4096
LONGEST = 1 << 30
Record = tuple[bytes, int, bytes, int]


def read_tfrecord(path: Path) -> Iterator[bytes]:
    """The content of each record; every checksum is checked before the content is given out.

    Raises:
        DataError: no such file, or one that ends within a record.
        IntegrityError: a checksum that does not hold; names the record.
    """
    number, rest = 0, _records(path)
    while records := list(islice(rest, BATCH)):
        _check(path, number, records)
        yield from (content for _, _, content, _ in records)
        number += len(records)


def _records(path: Path) -> Iterator[Record]:
    try:
        with path.open("rb") as file:
            while head := file.read(HEAD.size):
                length, crc = HEAD.unpack(head.ljust(HEAD.size, b"\0"))
                # A damaged length must not ask for all the memory there is.
                content, tail = file.read(min(length, LONGEST)), file.read(TAIL.size)
                if len(head) < HEAD.size or len(content) < length or len(tail) < TAIL.size:
                    raise DataError(f"{path} ends within a record", "Download it again.")
                yield head[:8], crc, content, TAIL.unpack(tail)[0]
    except FileNotFoundError:
        raise DataError(f"no file {path}", "Give the official file.") from None


def _check(path: Path, number: int, records: Sequence[Record]) -> None:
    heads = masked_crc32c([head for head, _, _, _ in records]).tolist()
    contents = masked_crc32c([content for _, _, content, _ in records]).tolist()
    for i, (_, head_crc, _, crc) in enumerate(records):
        if (heads[i], contents[i]) != (head_crc, crc):
            raise IntegrityError(
                f"record {number + i} of {path} does not have its checksum", "Download it again."
            )
