"""A run's report: one self-contained HTML file."""

from __future__ import annotations

from nascout.report.html import write_report

__all__ = ["write_report"]
