"""Random search with parameter sharing: every step trains the weights of one random network."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from nascout.graph import Graph
from nascout.oneshot.learner import Judge, Learner, Moment
from nascout.oneshot.method import Method, method
from nascout.oneshot.problem import IMAGES, Problem
from nascout.space import Architecture, Space
from nascout.train.batches import Batch

__all__ = ["Paths", "Rsps", "UniformPaths"]


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
        return UniformPaths(space, seed, device, self.samples)


class Paths(Learner):
    """A learner that runs one architecture at a time, whose weights it makes when it comes."""

    def __init__(
        self, space: Space, seed: int, device: torch.device, problem: Problem = IMAGES
    ) -> None:
        super().__init__(space, seed, device, problem)
        self._held: dict[str, None] = {}

    def graph(self, architecture: Architecture) -> Graph:
        """Of ``architecture``, whose weights there are from now on."""
        before, graph = len(self.net.weighted), self.space.shared_graph(architecture)
        self.net.hold(graph)
        if len(self.net.weighted) > before:
            self._held[str(architecture)] = None
        return graph

    def run(self, architecture: Architecture, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The outputs of ``architecture`` with the shared weights."""
        return self.net(self.graph(architecture), x)  # type: ignore[no-any-return]

    def held(self) -> list[str]:
        """Those that brought new weights."""
        return list(self._held)

    def hold(self, architectures: list[str]) -> None:
        """Make their weights."""
        for text in architectures:
            self.net.hold(self.space.shared_graph(self.space.parse(text)))
        self._held = dict.fromkeys(architectures)

    def best(
        self, architectures: list[Architecture], judge: Judge
    ) -> list[tuple[Architecture, float | None]]:
        """Each of them once, with what the judge says, the best first."""
        distinct = {one.digest: one for one in reversed(architectures)}
        judged = {one: judge(one) for one in reversed(distinct.values())}
        sign = -1 if self.problem.higher_is_better else 1
        return [(one, judged[one]) for one in sorted(judged, key=lambda one: sign * judged[one])]


class UniformPaths(Paths):
    """Every architecture is as likely as any other.

    Args:
        samples: how many are measured at the end.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        device: torch.device,
        samples: int,
        problem: Problem = IMAGES,
    ) -> None:
        super().__init__(space, seed, device, problem)
        self._samples = samples

    def loss(self, batch: Batch, moment: Moment) -> Tensor:
        """Of a random network."""
        rng = random.Random(f"path/{moment.seed}/{moment.epoch}/{moment.step}")
        return self.problem.loss(self.net, self.graph(self.space.sample(rng)), batch)

    def found(self, judge: Judge) -> list[tuple[Architecture, float | None]]:
        """The best of some samples."""
        rng = random.Random(f"found/{self.seed}")
        return self.best([self.space.sample(rng) for _ in range(self._samples)], judge)
