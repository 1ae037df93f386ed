"""Readers of official benchmark files: no TensorFlow, and nothing is unpickled."""

from __future__ import annotations
