"""Read-only views on a run: the table, the Pareto front, selection, correlation."""

from __future__ import annotations

from nascout.gallery.correlation import correlate
from nascout.gallery.entry import Entry
from nascout.gallery.gallery import Gallery

__all__ = ["Entry", "Gallery", "correlate"]
