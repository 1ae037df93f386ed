"""What a strategy says (a proposal, or stop) and what it is told (a trial)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from nascout.records import Outcome
from nascout.space import Architecture

__all__ = ["STAGES", "Proposal", "Stop", "Trial"]

STAGES: Final = ("score", "train", "retrain")


@dataclass(frozen=True)
class Proposal:
    """An architecture and what to spend on it.

    ``stage`` is ``"score"`` (cost, latency and training-free scores), ``"train"`` (a short
    training whose ``val_accuracy`` guides the search) or ``"retrain"`` (the final training, whose
    ``retrained_val_accuracy`` and ``test_accuracy`` are reported). ``epochs`` is 0 for a score.
    """

    architecture: Architecture
    stage: str = "score"
    epochs: int = 0


@dataclass(frozen=True)
class Stop:
    """Nothing more to ask: ``"done"``, ``"exhausted"`` (space) or ``"infeasible"``."""

    reason: str


@dataclass(frozen=True)
class Trial:
    """A proposal that was evaluated. ``number`` is its place in the history.

    ``values`` holds every metric measured, by name: scores, ``params``, ``macs``,
    ``activation_bytes``, ``latency_ms``, accuracies in percent. ``message`` explains an outcome
    other than ``ok``.
    """

    number: int
    proposal: Proposal
    outcome: Outcome
    values: Mapping[str, float]
    message: str = ""
    seconds: float = 0.0

    @property
    def architecture(self) -> Architecture:
        """What was evaluated."""
        return self.proposal.architecture

    @property
    def stage(self) -> str:
        """How it was evaluated."""
        return self.proposal.stage
