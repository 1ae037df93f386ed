"""Training one network on one split: recipes, schedule, augmentation, checkpoints."""

from __future__ import annotations

from nascout.train.curve import Epoch, Trained
from nascout.train.endings import Diverged, Stopped
from nascout.train.evaluate import accuracy
from nascout.train.recipe import Recipe, recipes
from nascout.train.trainer import fit

__all__ = ["Diverged", "Epoch", "Recipe", "Stopped", "Trained", "accuracy", "fit", "recipes"]
