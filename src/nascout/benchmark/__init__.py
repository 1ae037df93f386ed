"""Benchmarks: published tables of trained networks, read-only, and how well a score ranks them."""

from __future__ import annotations

from nascout.benchmark.table import BENCHMARKS, TableBenchmark, benchmark

__all__ = ["BENCHMARKS", "TableBenchmark", "benchmark"]
