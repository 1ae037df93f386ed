"""nascout: find neural architectures before paying for training."""

from __future__ import annotations

__version__ = "0.1.0"
