"""The two ways in which a training ends without a result."""

from __future__ import annotations

from nascout.errors import NascoutError

__all__ = ["Diverged", "Stopped"]


class Diverged(NascoutError):
    """The loss or the outputs became NaN or infinite."""


class Stopped(Exception):
    """The caller asked to stop; the checkpoint, if there is one, holds every step made so far."""
