"""Stopping on a signal: finish cleanly at the first, at once at the second."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

__all__ = ["Stopper", "graceful"]


@dataclass
class Stopper:
    """Whether a signal came, and which."""

    signum: int = 0

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.signum != 0


@contextmanager
def graceful() -> Iterator[Stopper]:
    """Turn SIGINT and SIGTERM into a question that work asks at safe points.

    The second signal raises ``KeyboardInterrupt``. Outside the main thread, where no handler can
    be set, signals keep their usual effect.
    """
    stopper = Stopper()
    if threading.current_thread() is not threading.main_thread():
        yield stopper
        return

    def handle(signum: int, frame: FrameType | None) -> None:
        if stopper.signum:
            raise KeyboardInterrupt
        stopper.signum = signum

    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopper
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
