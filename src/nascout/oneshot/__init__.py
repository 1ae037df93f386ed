"""Weight sharing: many architectures, one set of weights."""

from __future__ import annotations

from nascout.oneshot.learner import SharedEpoch
from nascout.oneshot.method import METHODS, Method, method
from nascout.oneshot.share import Shared, share

__all__ = ["METHODS", "Method", "Shared", "SharedEpoch", "method", "share"]
