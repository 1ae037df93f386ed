"""Conformance suites for third-party spaces, scores and strategies."""

from __future__ import annotations
