"""What a network is trained to do: the loss, the metric, and the form of the outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from nascout.data.targets import UNLABELLED
from nascout.registry import Registry
from nascout.train.metrics import mean_average_precision, mean_iou, r2, right

__all__ = ["Task", "tasks"]

Tensor = torch.Tensor


@dataclass(frozen=True)
class Task:
    """A task; every function takes outputs and targets of one batch, but for ``measure``.

    Attributes:
        name: of the task.
        metric: what ``measure`` is called, and its unit where it has one.
        higher_is_better: of the metric.
        loss: of outputs, targets and label smoothing; the mean over the batch.
        prediction: of outputs; what ``measure`` reads, small enough to be kept for all images.
        measure: the metric, of the predictions and targets of a whole part, on the CPU.
        axes: sizes of an image's output that the targets decide: the function gets the number of
            classes and a batch of targets. The first may be larger where targets are classes.
        of_maps: whether targets are maps, which are cropped and mirrored with their images.

    Example:
        >>> from dataclasses import replace
        >>> from nascout.train import tasks
        >>> from nascout.train.metrics import mean_absolute_error
        >>> error = replace(tasks["regression"], metric="mean absolute error",
        ...                 higher_is_better=False, measure=mean_absolute_error)
    """

    name: str
    metric: str
    higher_is_better: bool
    loss: Callable[[Tensor, Tensor, float], Tensor]
    prediction: Callable[[Tensor], Tensor]
    measure: Callable[[Tensor, Tensor], float]
    axes: Callable[[int, Tensor], tuple[int, ...]]
    of_maps: bool = False

    def fits(self, out: Tensor, y: Tensor, classes: int) -> bool:
        """Whether outputs have the form that the targets want."""
        wanted, got = self.axes(classes, y), tuple(out.shape[1:])
        if len(out) != len(y) or len(got) != len(wanted) or got[1:] != wanted[1:]:
            return False
        return got[0] == wanted[0] or (got[0] > wanted[0] and not y.is_floating_point())


def _cross_entropy(out: Tensor, y: Tensor, smoothing: float) -> Tensor:
    return functional.cross_entropy(out, y, label_smoothing=smoothing, ignore_index=UNLABELLED)


def _binary(out: Tensor, y: Tensor, smoothing: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(out, y * (1 - smoothing) + smoothing / 2)


def _squares(out: Tensor, y: Tensor, smoothing: float) -> Tensor:
    return functional.mse_loss(out, y)


def _largest(out: Tensor) -> Tensor:
    return out.argmax(1)


def _itself(out: Tensor) -> Tensor:
    return out.float()


tasks: Registry[Task] = Registry("task")
tasks.add(
    "classification",
    Task(
        "classification",
        "accuracy, percent",
        True,
        _cross_entropy,
        _largest,
        right,
        lambda classes, y: (classes,),
    ),
)
tasks.add(
    "multilabel",
    Task(
        "multilabel",
        "mean average precision, percent",
        True,
        _binary,
        _itself,
        mean_average_precision,
        lambda classes, y: (y.shape[1],),
    ),
)
tasks.add(
    "regression",
    Task(
        "regression",
        "R2",
        True,
        _squares,
        _itself,
        r2,
        lambda classes, y: (y.shape[1],),
    ),
)
tasks.add(
    "segmentation",
    Task(
        "segmentation",
        "mean IoU, percent",
        True,
        _cross_entropy,
        _largest,
        mean_iou,
        lambda classes, y: (classes, *y.shape[1:]),
        of_maps=True,
    ),
)
