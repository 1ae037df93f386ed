"""How long each rung trains: numbers of epochs from the shortest training to the longest."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from nascout.errors import ConfigError

__all__ = ["rung_epochs"]


def rung_epochs(given: str | int | Iterable[int]) -> tuple[int, ...]:
    """The epochs of the rungs, from numbers or from text such as ``"12,200"``; may be empty.

    Raises:
        ConfigError: something else, or epochs that do not grow.

    Example:
        >>> rung_epochs("12,200"), rung_epochs(200), rung_epochs([1, 3, 9])
        ((12, 200), (200,), (1, 3, 9))
    """
    parts = given.split(",") if isinstance(given, str) else given
    try:
        epochs = (parts,) if isinstance(parts, int) else tuple(int(part) for part in parts)
    except (TypeError, ValueError):
        epochs = (0,)
    if any(one < 1 for one in epochs) or any(b <= a for a, b in pairwise(epochs)):
        raise ConfigError(
            f"rung_epochs = {given!r}", "Give whole numbers that grow, such as 12,200."
        )
    return epochs
