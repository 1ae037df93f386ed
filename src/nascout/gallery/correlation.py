"""How well a run's score ranked what was then trained."""

from __future__ import annotations

from math import isfinite

import numpy as np

from nascout.benchmark.agreement import Agreement, agreement
from nascout.gallery.gallery import Gallery
from nascout.records import Objective

__all__ = ["correlate"]

STAGE_OF = {
    "val_accuracy": "train",
    "retrained_val_accuracy": "retrain",
    "test_accuracy": "retrain",
}


def correlate(
    gallery: Gallery, score: str, accuracy: str = "val_accuracy", *, seed: int = 0
) -> Agreement:
    """Rank correlation of ``score`` with ``accuracy`` over the entries that have both.

    Accuracies after different numbers of epochs are not comparable, so only entries trained for
    the most epochs count.
    """
    wanted = (Objective(score, True), Objective(accuracy, True))
    stage = STAGE_OF.get(accuracy, gallery.stage or "score")
    entries = [
        entry
        for entry in gallery.at(stage)
        if all(isfinite(objective.loss(entry.values)) for objective in wanted)
    ]
    return agreement(
        np.array([entry.values[score] for entry in entries], float),
        np.array([entry.values[accuracy] for entry in entries], float),
        seed=seed,
    )
