"""DARTS: a softmax over the operations of each edge, learned with the weights in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from nascout.errors import ConfigError
from nascout.oneshot.bilevel import dominant_eigenvalue, first_order, second_order
from nascout.oneshot.gated import Gated
from nascout.oneshot.guards import GUARDS, Guard
from nascout.oneshot.learner import Moment, SharedEpoch
from nascout.oneshot.method import Method, method
from nascout.oneshot.problem import IMAGES, Problem
from nascout.space import Architecture, Space
from nascout.space.relaxation import Relaxation
from nascout.train.batches import Batch

__all__ = ["Darts", "Mixture", "PcDarts"]


@method("darts", paper="arXiv:1806.09055")
class Darts(Method):
    """Liu, Simonyan and Yang's search: all operations run, mixed by a softmax per edge.

    Before every step of the weights, the alphas take one step of Adam on the validation loss
    (algorithm 1): with the weights as they are (``order`` 1), or through one step of theirs
    (``order`` 2, about three times slower; see :mod:`nascout.oneshot.bilevel`).

    On NAS-Bench-201 and elsewhere the search tends to end in skips alone. The curve of every
    sharing counts them; ``guard`` names a cure, see :mod:`nascout.oneshot.guards`.

    Deviations: no normalisation has weights, the stem's neither, which in the released code has
    them.

    Args:
        order: 1 or 2.
        guard: ``none``, ``eigenvalue``, ``skips`` or ``auxiliary_skip``.
        eigenvalue: whether to measure the dominant eigenvalue of the validation loss's Hessian by
            the alphas after each epoch, on one batch; ``guard="eigenvalue"`` always does.
        alpha_lr, alpha_decay: of the Adam that moves the alphas.
    """

    order: int = 1
    guard: str = "none"
    eigenvalue: bool = False
    alpha_lr: float = 3e-4
    alpha_decay: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order not in (1, 2):
            raise ConfigError(f"{self.name}: order = {self.order}", "Give 1 or 2.")
        _ = GUARDS[self.guard]

    def learner(self, space: Space, seed: int, device: torch.device) -> Gated:
        """All weights there are, and alphas near zero."""
        return Mixture(self, space.relaxation(), seed, device)


@method("pc_darts", paper="arXiv:1907.05737")
class PcDarts(Darts):
    """Xu and others' DARTS on a part of the channels, with gates that weigh a node's edges.

    Memory falls to about one in ``partial``, and larger batches fit. For the first ``frozen`` of
    the epochs only the weights are trained.

    Args:
        partial: one channel in how many goes through the operations.
        frozen: share of the epochs; 15 of 50 in the paper.
    """

    lr: float = 0.1
    lr_final: float = 0.0
    batch_size: int = 256
    alpha_lr: float = 6e-4
    partial: int = 4
    frozen: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.frozen < 1:
            raise ConfigError(f"pc_darts: frozen = {self.frozen}", "Give a share below 1.")

    def learner(self, space: Space, seed: int, device: torch.device) -> Gated:
        """As of DARTS, on a part of the channels."""
        return Mixture(self, space.relaxation(self.partial), seed, device)


class Mixture(Gated):
    """Every operation on every edge, behind the softmax of its alphas.

    Args:
        knobs: of the method.
        relaxation: of the space.
        betas: of the Adam that moves the alphas.
        clip: of the weights' gradient, if the second order is to see it.
        problem: what the weights are trained for.
    """

    def __init__(
        self,
        knobs: Darts,
        relaxation: Relaxation,
        seed: int,
        device: torch.device,
        *,
        betas: tuple[float, float] = (0.5, 0.999),
        clip: float | None = None,
        problem: Problem = IMAGES,
    ) -> None:
        super().__init__(
            relaxation,
            seed,
            device,
            lr=knobs.alpha_lr,
            betas=betas,
            weight_decay=knobs.alpha_decay,
            problem=problem,
        )
        self._knobs, self._clip = knobs, clip
        self._frozen = knobs.frozen if isinstance(knobs, PcDarts) else 0.0
        self._graph = self.relaxation.graph()
        self.net.hold(self._graph)
        self._guard: Guard = GUARDS[knobs.guard](self.relaxation)
        self._eigenvalue = 0.0

    def gates(self, moment: Moment) -> Mapping[str, Tensor]:
        """The probabilities, as the guard lets them be."""
        return self._guard.gates(self.probabilities(), moment)

    def loss(self, batch: Batch, moment: Moment) -> Tensor:
        """Of the mixture."""
        return self.problem.loss(self.net, self._graph, batch, self.gates(moment))

    def before_step(self, train: Batch, val: Iterator[Batch], moment: Moment) -> None:
        """One step of the alphas."""
        if moment.progress < self._frozen or self._guard.stopped is not None:
            return
        batch, alphas = next(val), list(self.alphas.values())
        if self._knobs.order == 1:
            self.move(first_order(lambda: self.loss(batch, moment), alphas), batch)
            return
        weights = list(self.trained.parameters())
        gradients = second_order(
            lambda: self.loss(train, moment),
            lambda: self.loss(batch, moment),
            weights,
            alphas,
            step=moment.lr,
            velocity=self.velocity(weights),
            momentum=self._knobs.momentum,
            decay=self._knobs.weight_decay,
            clip=self._clip,
        )
        self.move(gradients, batch)

    def after_epoch(self, val: Iterator[Batch], moment: Moment) -> None:
        """Look at the Hessian if asked, and let the guard judge."""
        if self._knobs.eigenvalue or self._guard.needs_eigenvalue:
            batch = next(val)
            self._eigenvalue = dominant_eigenvalue(
                lambda: self.loss(batch, moment), list(self.alphas.values())
            )
        self._guard.after_epoch(self.weights(), self._eigenvalue)

    def resumed(self, curve: Sequence[SharedEpoch]) -> None:
        """Let the guard judge the epochs again."""
        for epoch in curve:
            self._guard.after_epoch(epoch.weights, epoch.numbers.get("eigenvalue", 0.0))

    def current(self) -> Architecture:
        """What the guard kept, or else what is derived now."""
        stopped = self._guard.stopped
        return self.relaxation.derive(stopped or self.weights())

    def numbers(self) -> dict[str, float]:
        """Those of all gates, and ``eigenvalue`` if it is measured."""
        measured = self._knobs.eigenvalue or self._guard.needs_eigenvalue
        return super().numbers() | ({"eigenvalue": self._eigenvalue} if measured else {})
