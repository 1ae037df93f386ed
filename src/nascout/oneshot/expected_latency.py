"""The expected latency of what gates will choose, and how a loss counts it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nascout.graph import Shape
from nascout.graph.mixing import Mixed
from nascout.graph.op import Op
from nascout.graph.ops import Input
from nascout.hardware import LatencyTable
from nascout.registry import Registry
from nascout.space.relaxation import Kept, Relaxation

__all__ = ["LOSSES", "ExpectedLatency", "LatencyLoss", "tabulate"]


@dataclass(frozen=True)
class ExpectedLatency:
    """Milliseconds of a relaxed network that keeps one option of each edge.

    Attributes:
        fastest: of the fastest network.
        extra: by edge, what each option takes longer than the edge's fastest, (options,), float64.
    """

    fastest: float
    extra: Mapping[str, Tensor]

    def __call__(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """The mean over networks whose options are drawn, edge by edge, by ``probabilities``.

        ProxylessNAS, arXiv:1812.00332, equations 5 and 6: latencies add up over edges, so it is
        the sum over edges of p · F. It is differentiable in the probabilities.

        Args:
            probabilities: by edge, one per option.

        Returns:
            A number in float64.
        """
        return (
            self.fastest
            + torch.stack(
                [p.to(self.extra[name]) @ self.extra[name] for name, p in probabilities.items()]
            ).sum()
        )

    @property
    def slowest(self) -> float:
        """Milliseconds of the slowest network."""
        return self.fastest + sum(float(extra.max()) for extra in self.extra.values())


def tabulate(
    relaxation: Relaxation, table: LatencyTable, device: torch.device | str = "cpu"
) -> ExpectedLatency:
    """Milliseconds by edge and option, from a table that adds up over the nodes of a network.

    The edges keep one option each, and one edge after the other tries all of its options: what
    changes is the option's. The gates themselves take no time. As in the table, the sum is
    multiplied with how much longer networks of this input size take.

    Args:
        relaxation: of the space.
        table: measures what it does not know.
        device: where the result is to be used.
    """

    def calls(kept: Kept) -> list[tuple[Op, tuple[Shape, ...]]]:
        found = relaxation.graph(kept).calls
        return [(c.op, c.inputs) for c in found if not isinstance(c.op, Input | Mixed)]

    first = {edge.name: edge.options[:1] for edge in relaxation.edges}
    tried = {
        edge.name: [calls({**first, edge.name: (option,)}) for option in edge.options]
        for edge in relaxation.edges
    }
    distinct = list(dict.fromkeys(c for edge in tried.values() for one in edge for c in one))
    ms = dict(zip(distinct, table.operations_ms(distinct), strict=True))
    sums = {
        name: torch.tensor(
            [math.fsum(ms[call] for call in one) for one in edge],
            dtype=torch.float64,
            device=device,
        )
        for name, edge in tried.items()
    }
    base = next(float(by_option[0]) for by_option in sums.values())
    middle = relaxation.derive(
        {name: (-(s - s.median()).abs()).tolist() for name, s in sums.items()}
    ).graph()
    factor = table.latency_ms(middle) / math.fsum(
        table.operations_ms([(call.op, call.inputs) for call in middle.calls])
    )
    fastest = base + math.fsum(float(s.min()) - base for s in sums.values())
    return ExpectedLatency(
        factor * fastest, {name: factor * (s - s.min()) for name, s in sums.items()}
    )


class LatencyLoss(Protocol):
    """How a loss counts latency."""

    def __call__(
        self, loss: Tensor, expected: Tensor, target: float, strength: float = ...
    ) -> Tensor:
        """Of the cross-entropy, and of expected and wanted milliseconds."""


LOSSES: Registry[LatencyLoss] = Registry("latency loss")


@LOSSES.decorator("mul_log")
def mul_log(loss: Tensor, expected: Tensor, target: float, strength: float = 0.3) -> Tensor:
    """The released code's for phones: .2 · loss · (log E / log target) ** strength."""
    return 0.2 * loss * (expected.log() / math.log(target)) ** strength


@LOSSES.decorator("add_linear")
def add_linear(loss: Tensor, expected: Tensor, target: float, strength: float = 0.1) -> Tensor:
    """The released code's other: loss + strength · (E - target) / target."""
    return loss + strength * (expected - target) / target


@LOSSES.decorator("paper")
def paper(loss: Tensor, expected: Tensor, target: float, strength: float = 0.01) -> Tensor:
    """The paper's: loss + strength · E, whatever the target; it gives no strength, this is ours."""
    return loss + strength * expected


@LOSSES.decorator("at_most")
def at_most(loss: Tensor, expected: Tensor, target: float, strength: float = 1.0) -> Tensor:
    """Loss + strength · max(0, E / target - 1): latency counts above the target alone.

    Not in the paper, whose forms trade latency for accuracy on both sides of the target.
    """
    return loss + strength * (expected / target - 1).clamp(min=0)
