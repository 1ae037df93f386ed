"""Training-free scores."""

from __future__ import annotations

from nascout.score.card import SCORES, Card, score

__all__ = ["SCORES", "Card", "score"]
