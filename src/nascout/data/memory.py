"""Refusing, before it is read, a data set that cannot fit into memory."""

from __future__ import annotations

import os
from pathlib import Path

from nascout.errors import DataError

__all__ = ["require_memory"]


def available_bytes() -> int | None:
    """Memory that can be had without swapping; all of it where only that is known; else None."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def require_memory(needed_bytes: int, what: str) -> None:
    """Check that ``needed_bytes`` fit; says nothing where the machine does not tell.

    Raises:
        DataError: more than is available.
    """
    available = available_bytes()
    if available is not None and needed_bytes > available:
        raise DataError(
            f"{what} needs {needed_bytes / 2**30:.1f} GiB of {available / 2**30:.1f} GiB memory",
            "Use fewer images or a smaller image size.",
        )
