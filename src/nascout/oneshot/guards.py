"""Cures for the collapse of DARTS to skips, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor

from nascout.oneshot.learner import Moment
from nascout.registry import Registry
from nascout.space import Architecture
from nascout.space.relaxation import Relaxation

__all__ = ["GUARDS", "Guard"]

SKIP = "skip_connect"

Weights = Mapping[str, Sequence[float]]


class Guard:
    """No cure, and the base of the others.

    Args:
        relaxation: whose edges are guarded.

    Attributes:
        stopped: the probabilities to derive from, once the search of the architecture is over.
        needs_eigenvalue: whether it judges by the Hessian.
    """

    needs_eigenvalue: ClassVar[bool] = False

    def __init__(self, relaxation: Relaxation) -> None:
        self.relaxation = relaxation
        self.stopped: Weights | None = None
        self.history: list[tuple[Weights, float]] = []

    def gates(self, probabilities: Mapping[str, Tensor], moment: Moment) -> Mapping[str, Tensor]:
        """What the operations are multiplied with."""
        return probabilities

    def after_epoch(self, weights: Weights, eigenvalue: float) -> None:
        """Judge an epoch; the first verdict holds."""
        self.history.append((weights, eigenvalue))
        if self.stopped is None:
            self.stopped = self.verdict()

    def verdict(self) -> Weights | None:
        """The probabilities to end with, or ``None`` to go on."""
        return None

    def derived(self, weights: Weights) -> Architecture:
        """The architecture of these probabilities."""
        return self.relaxation.derive(weights)


GUARDS: Registry[type[Guard]] = Registry("guard")
GUARDS.add("none", Guard)


@GUARDS.decorator("eigenvalue")
class Eigenvalue(Guard):
    """RobustDARTS's early stopping (arXiv:1909.09656, section 4.3).

    The dominant eigenvalue is averaged over the last ``WINDOW`` epochs; when the average of
    ``WINDOW`` epochs ago is less than ``RATIO`` of the present one, the search goes back to then.
    """

    WINDOW: ClassVar[int] = 5
    RATIO: ClassVar[float] = 0.75
    needs_eigenvalue = True

    def verdict(self) -> Weights | None:
        """The probabilities of ``WINDOW`` epochs ago, if the eigenvalue grew too fast since."""
        now = len(self.history) - 1
        before = now - self.WINDOW
        if before < 0 or self._mean(before) >= self.RATIO * self._mean(now):
            return None
        return self.history[before][0]

    def _mean(self, epoch: int) -> float:
        window = self.history[max(0, epoch - self.WINDOW + 1) : epoch + 1]
        return sum(eigenvalue for _, eigenvalue in window) / len(window)


@GUARDS.decorator("skips")
class Skips(Guard):
    """DARTS+ (arXiv:1909.06035, section 3.2): stop when a cell has two skips.

    The cell is the normal one where there are two kinds. Of an epoch in which their number jumps
    beyond two, the one before counts.
    """

    LIMIT: ClassVar[int] = 2

    def verdict(self) -> Weights | None:
        """The present probabilities at two skips, those of the epoch before at more."""
        count = self._count(self.history[-1][0])
        if count < self.LIMIT:
            return None
        return self.history[-1 if count == self.LIMIT or len(self.history) < 2 else -2][0]

    def _count(self, weights: Weights) -> int:
        chosen = self.derived(weights).choices
        return sum(v == SKIP for k, v in chosen.items() if not k.startswith("reduce"))


@GUARDS.decorator("auxiliary_skip")
class AuxiliarySkip(Guard):
    """DARTS- (arXiv:2009.01027): a further skip helps training, so that alpha need not.

    It stands beside the operations of every edge that has a skip, with a weight that falls from
    one to zero along a line. It is the identity of the edge's own skip; where that is a factorized
    reduction, it shares its weights, unlike in the paper.
    """

    def gates(self, probabilities: Mapping[str, Tensor], moment: Moment) -> Mapping[str, Tensor]:
        """The probabilities, and the further skip's weight on top of the skip's."""
        beta = 1 - moment.progress
        shifted = dict(probabilities)
        for edge in self.relaxation.edges:
            if SKIP in edge.options:
                place = edge.options.index(SKIP)
                extra = probabilities[edge.name].new_zeros(len(edge.options))
                extra[place] = beta
                shifted[edge.name] = probabilities[edge.name] + extra
        return shifted
