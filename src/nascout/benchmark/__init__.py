"""Benchmarks: published tables of trained networks, read-only, and how well a score ranks them."""

from __future__ import annotations

from nascout.benchmark.beside import beside
from nascout.benchmark.opened import Benchmark, Best
from nascout.benchmark.table import BENCHMARKS, TableBenchmark, benchmark

__all__ = ["BENCHMARKS", "Benchmark", "Best", "TableBenchmark", "benchmark", "beside"]
