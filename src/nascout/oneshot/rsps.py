"""Random search with parameter sharing: every step trains the weights of one random network."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from nascout.oneshot.learner import Judge, Learner, Moment, cross_entropy
from nascout.oneshot.method import Method, method
from nascout.space import Architecture, Space
from nascout.train.batches import Batch

__all__ = ["Paths", "Rsps"]


@method("rsps", paper="arXiv:1902.07638")
class Rsps(Method):
    """Li and Talwalkar's baseline: uniform samples share weights; the best of some is found.

    At the end ``samples`` random architectures are measured with the shared weights, and the best
    of them is retrained. It works on every space.

    Deviations: the paper's search evaluates the samples on a few batches first, and then the best
    of them on all of the validation images; here all are measured on the same images.

    Args:
        samples: architectures measured at the end; the paper takes 1,000, NAS-Bench-201's script
            100.
    """

    samples: int = 100

    def learner(self, space: Space, seed: int, device: torch.device) -> Learner:
        """No weights yet; they appear with the networks that are drawn."""
        return _Random(space, seed, device, self.samples)


class Paths(Learner):
    """A learner that runs one architecture at a time, whose weights it makes when it comes."""

    def __init__(self, space: Space, seed: int, device: torch.device) -> None:
        super().__init__(space, seed, device)
        self._held: dict[str, None] = {}

    def run(self, architecture: Architecture, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The outputs of ``architecture`` with the shared weights."""
        before = len(self.net.weighted)
        self.net.hold(architecture.graph())
        if len(self.net.weighted) > before:
            self._held[str(architecture)] = None
        return self.net(architecture.graph(), x)  # type: ignore[no-any-return]

    def held(self) -> list[str]:
        """Those that brought new weights."""
        return list(self._held)

    def hold(self, architectures: list[str]) -> None:
        """Make their weights."""
        for text in architectures:
            self.net.hold(self.space.parse(text).graph())
        self._held = dict.fromkeys(architectures)

    def best(
        self, architectures: list[Architecture], judge: Judge
    ) -> list[tuple[Architecture, float | None]]:
        """Each of them once, with its accuracy, the best first."""
        distinct = {one.digest: one for one in reversed(architectures)}
        judged = {one: judge(one) for one in reversed(distinct.values())}
        return [(one, judged[one]) for one in sorted(judged, key=lambda one: -judged[one])]


class _Random(Paths):
    def __init__(self, space: Space, seed: int, device: torch.device, samples: int) -> None:
        super().__init__(space, seed, device)
        self._samples = samples

    def loss(self, batch: Batch, moment: Moment) -> Tensor:
        rng = random.Random(f"path/{moment.seed}/{moment.epoch}/{moment.step}")
        return cross_entropy(self.run(self.space.sample(rng), batch.x), batch)

    def found(self, judge: Judge) -> list[tuple[Architecture, float | None]]:
        rng = random.Random(f"found/{self.seed}")
        return self.best([self.space.sample(rng) for _ in range(self._samples)], judge)
