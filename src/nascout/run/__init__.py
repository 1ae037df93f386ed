"""Runs: the store, the loop, the evaluator. The only room that writes results."""

from __future__ import annotations
