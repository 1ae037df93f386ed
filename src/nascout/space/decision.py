"""One categorical decision of a space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Choice"]


@dataclass(frozen=True)
class Choice:
    """A named pick among ``options``.

    ``when`` makes it depend on earlier decisions: it is open only if each named decision took
    one of the given options; otherwise it is not asked, and its value is ``None``.

    >>> width = Choice("width", ("1", "2"), when=(("op", ("conv",)),))
    >>> width.is_open({"op": "conv"}), width.is_open({"op": "pool"})
    (True, False)
    """

    name: str
    options: tuple[str, ...]
    when: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def is_open(self, made: Mapping[str, str | None]) -> bool:
        """Whether the decisions ``made`` so far leave this one to be made."""
        return not self.when or all(made[name] in allowed for name, allowed in self.when)
