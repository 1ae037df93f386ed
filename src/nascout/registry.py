"""One registry for everything that has a name: spaces, scores, strategies, recipes, ops.

Built-in entries register beside their definition with a decorator. Third parties register
through an entry point in the group ``nascout.<kind>s``; it is loaded when a name is first
looked up, never at import.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from nascout.errors import UnknownName

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Named entries of one kind.

    Args:
        kind: what an entry is called in messages (``"space"``).
        modules: modules whose import registers the built-in entries.

    >>> colours: Registry[str] = Registry("colour")
    >>> colours.add("red", "#f00")
    '#f00'
    >>> colours["rad"]
    Traceback (most recent call last):
    nascout.errors.UnknownName: unknown colour 'rad'. Did you mean red?
    """

    def __init__(self, kind: str, modules: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self._modules = modules
        self._entries: dict[str, T] = {}
        self._loaded = False

    def add(self, name: str, entry: T) -> T:
        """Register ``entry`` under ``name`` and return it; a duplicate raises ``ValueError``."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = entry
        return entry

    def load(self) -> None:
        """Import the built-in modules and the third parties' entry points, once."""
        if self._loaded:
            return
        self._loaded = True
        for module in self._modules:
            import_module(module)
        for point in entry_points(group=f"nascout.{self.kind}s"):
            try:
                loaded = point.load()
            except Exception as error:  # noqa: BLE001 - one broken plug-in must not hide the others
                warnings.warn(f"{self.kind} {point.name!r} cannot be loaded: {error}", stacklevel=3)
                continue
            if point.name not in self._entries:
                self.add(point.name, loaded)

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            self.load()
        if name not in self._entries:
            raise UnknownName(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        self.load()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self.load()
        return iter(sorted(self._entries))

    def decorator(self, name: str) -> Callable[[T], T]:
        """``@registry.decorator("name")`` registers what follows."""
        return lambda entry: self.add(name, entry)
