"""Networks: a graph read as torch, as source and as files."""

from __future__ import annotations

from nascout.network.lowering import lowers
from nascout.network.module import Network, build, initialise
from nascout.network.source import source_state, to_source
from nascout.network.source_ops import prints

__all__ = [
    "Network",
    "build",
    "initialise",
    "lowers",
    "prints",
    "source_state",
    "to_source",
]
