"""The shape of one sample: ``(channels, height, width)`` for maps, ``(features,)`` for vectors."""

from __future__ import annotations

from math import prod

__all__ = ["Shape"]


class Shape(tuple[int, ...]):
    """Sizes without the batch; the batch is implicit everywhere.

    >>> Shape((16, 8, 8)).size, Shape((16, 8, 8)).area, Shape((10,)).is_map
    (1024, 64, False)
    """

    __slots__ = ()

    @property
    def is_map(self) -> bool:
        """Whether it has channels, height and width."""
        return len(self) == 3

    @property
    def channels(self) -> int:
        """Channels of a map, features of a vector."""
        return self[0]

    @property
    def height(self) -> int:
        """Rows of a map."""
        return self[1]

    @property
    def width(self) -> int:
        """Columns of a map."""
        return self[2]

    @property
    def area(self) -> int:
        """Positions of a map: height times width; 1 for a vector."""
        return prod(self[1:])

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self)

    def __str__(self) -> str:
        return "×".join(map(str, self))
