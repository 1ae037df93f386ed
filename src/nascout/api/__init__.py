"""The public face: what ``import nascout`` offers."""

from __future__ import annotations
