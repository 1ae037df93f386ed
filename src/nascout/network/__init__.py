"""Networks: a graph read as torch."""

from __future__ import annotations

from nascout.network.lowering import lowers
from nascout.network.module import Network, build, initialise

__all__ = ["Network", "build", "initialise", "lowers"]
