"""Comparing search strategies on a table of trained networks: runs, results, statistics."""

from __future__ import annotations

from nascout.comparison.arena import Arena, open_arenas
from nascout.comparison.contender import Contender, read_contenders
from nascout.comparison.protocol import Protocol

__all__ = ["Arena", "Contender", "Protocol", "open_arenas", "read_contenders"]
