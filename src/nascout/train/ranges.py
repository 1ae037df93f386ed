"""Refusing values that are out of their range, by name."""

from __future__ import annotations

from collections.abc import Iterable

from nascout.errors import ConfigError

__all__ = ["require"]


def require(owner: str, record: object, rules: Iterable[tuple[str, bool, str]]) -> None:
    """Check the fields of a record.

    Args:
        owner: what the record is called in the message.
        record: whose fields are checked.
        rules: name of a field, whether its value is right, and what would be.

    Raises:
        ConfigError: the first field whose value is not right.

    >>> from types import SimpleNamespace
    >>> require("the oven", SimpleNamespace(heat=900), [("heat", 900 < 300, "below 300")])
    Traceback (most recent call last):
    nascout.errors.ConfigError: the oven has heat = 900. Set heat below 300.
    """
    for field, holds, range_ in rules:
        if not holds:
            raise ConfigError(
                f"{owner} has {field} = {getattr(record, field)!r}", f"Set {field} {range_}."
            )
