"""Commands: each one file, each calling only the public face."""

from __future__ import annotations
