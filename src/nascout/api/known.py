"""Published architectures by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nascout.api.names import space
from nascout.errors import UnknownName
from nascout.space import SPACES, Architecture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["architecture", "architectures"]


def architecture(name: str, **skeleton: Any) -> Architecture:
    """The published architecture called ``name``, in its space's default skeleton.

    Args:
        name: see :func:`architectures`.
        skeleton: parameters of the space that are to differ, such as ``channels`` or ``classes``.

    Raises:
        UnknownName: no such architecture.
        ConfigError: a parameter that its space does not have.

    >>> found = architecture("darts_v2", channels=16)
    >>> found.space.name, found.space.channels
    ('darts', 16)
    """
    homes = {known: kind for kind in map(SPACES.__getitem__, SPACES) for known in kind.known}
    if name not in homes:
        raise UnknownName("architecture", name, homes)
    kind = homes[name]
    home = space(kind.name, **{**kind.known_skeletons.get(name, {}), **skeleton})
    return home.parse(kind.known[name])


def architectures() -> pd.DataFrame:
    """Every published architecture: name, space, its skeleton where not the default, notation."""
    import pandas as pd

    rows = [
        {
            "name": name,
            "space": kind.name,
            "skeleton": ", ".join(
                f"{k}={v}" for k, v in kind.known_skeletons.get(name, {}).items()
            ),
            "notation": notation,
        }
        for kind in map(SPACES.__getitem__, SPACES)
        for name, notation in kind.known.items()
    ]
    return pd.DataFrame(rows, dtype=object)
