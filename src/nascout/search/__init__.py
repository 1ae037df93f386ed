"""Strategies: folds over history that propose what to evaluate next. Torch-free."""

from __future__ import annotations

from nascout.search.history import Proposal, Trial
from nascout.search.strategy import STRATEGIES, Stop, Strategy, generator, strategy

__all__ = ["STRATEGIES", "Proposal", "Stop", "Strategy", "Trial", "generator", "strategy"]
