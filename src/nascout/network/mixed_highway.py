"""One step of DARTS's relaxed recurrent cell, all edges into a node at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from nascout.space.darts_rnn_relaxation import DartsRnnRelaxation

__all__ = ["mixed_highway"]

Step = Callable[[Tensor, Tensor], Tensor]


def mixed_highway(
    relaxation: DartsRnnRelaxation, weights: Mapping[str, Tensor], gates: Mapping[str, Tensor]
) -> Step:
    """What the graph of ``relaxation`` computes, up to rounding, in a tenth of the operations.

    Args:
        relaxation: of the space; all options are kept.
        weights: the matrices (out, in) by the key of their node in the graph.
        gates: (5,) by edge.

    Returns:
        From x and h, both (n, width), the next h.
    """
    first = torch.cat([weights["node0/gate/linear"], weights["node0/state/linear"]]).T
    into: dict[str, list[str]] = {}
    for edge in relaxation.edges:
        into.setdefault(edge.name.partition("->")[2], []).append(edge.name)
    nodes = [_stacked(edges, weights, gates) for edges in into.values()]

    def norm(x: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, training=True) if relaxation.normalised else x

    def step(x: Tensor, h: Tensor) -> Tensor:
        gate, state = (torch.cat((x, h), 1) @ first).chunk(2, 1)
        states = [norm(h + gate.sigmoid() * (state.tanh() - h))]
        for matrices, (_, *by_activation), carry in nodes:
            s = torch.stack(states)
            c, v = torch.bmm(s, matrices).chunk(2, 2)
            changed = _sum(by_activation, (v.tanh(), v.relu(), v.sigmoid(), v))
            carried = carry * s
            states.append(norm(torch.lerp(carried, changed, c.sigmoid()).sum(0)))
        return torch.stack(states[1:]).mean(0)

    return step


def _sum(factors: list[Tensor], values: tuple[Tensor, ...]) -> Tensor:
    total = factors[0] * values[0]
    for factor, value in zip(factors[1:], values[1:], strict=True):
        total = torch.addcmul(total, factor, value)
    return total


def _stacked(
    edges: list[str], weights: Mapping[str, Tensor], gates: Mapping[str, Tensor]
) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
    """Matrices (edges, width, 2 · width); gates by option, and those but ``none`` together."""
    pairs = [
        torch.cat([weights[f"{edge}/gate/linear"], weights[f"{edge}/state/linear"]])
        for edge in edges
    ]
    by_option = torch.stack([gates[edge] for edge in edges])[:, :, None, None].unbind(1)
    return torch.stack(pairs).transpose(1, 2), by_option, torch.stack(by_option[1:]).sum(0)
