"""Spaces: what may be built. Torch-free."""

from __future__ import annotations

from nascout.space.architecture import Architecture
from nascout.space.decision import Choice
from nascout.space.space import SPACES, Space, space

__all__ = ["SPACES", "Architecture", "Choice", "Space", "space"]
