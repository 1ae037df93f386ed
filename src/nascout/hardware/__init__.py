"""What a network costs on a machine."""

from __future__ import annotations

from nascout.hardware.latency import LatencyTable, measure_latency_ms

__all__ = ["LatencyTable", "measure_latency_ms"]
