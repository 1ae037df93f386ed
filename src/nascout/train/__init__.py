"""Training one network on one split: recipes, schedules, augmentation, tasks, checkpoints."""

from __future__ import annotations

from nascout.train.augmentation import Augmentation
from nascout.train.curve import Epoch, Step, Trained
from nascout.train.drop_path import DropPath
from nascout.train.endings import Diverged, Stopped
from nascout.train.evaluate import accuracy, measure
from nascout.train.fit import fit
from nascout.train.optimizer import AdamW, RmsProp, Sgd
from nascout.train.recipe import Recipe
from nascout.train.recipes import recipes
from nascout.train.schedule import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    Linear,
    Steps,
    learning_rate,
)
from nascout.train.segmenter import Segmenter
from nascout.train.task import Task, tasks
from nascout.train.trackers import mlflow, tensorboard, wandb

__all__ = [
    "AdamW",
    "Augmentation",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Diverged",
    "DropPath",
    "Epoch",
    "Exponential",
    "Linear",
    "Recipe",
    "RmsProp",
    "Segmenter",
    "Sgd",
    "Step",
    "Steps",
    "Stopped",
    "Task",
    "Trained",
    "accuracy",
    "fit",
    "learning_rate",
    "measure",
    "mlflow",
    "recipes",
    "tasks",
    "tensorboard",
    "wandb",
]
