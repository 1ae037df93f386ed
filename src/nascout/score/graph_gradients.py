"""Scores made of gradients, of graphs: their networks need not be built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nascout.graph import Graph
from nascout.graph.merged import Merged, merge
from nascout.graph.op import Op
from nascout.network.population import Population
from nascout.score.card import AtOnce
from nascout.score.gradients import logits_loss
from nascout.score.inputs import Inputs, tensors
from nascout.score.population import alike

__all__ = ["Gradient", "GraphGradients", "from_inputs", "from_outputs", "from_weights", "of_each"]


class Gradient(NamedTuple):
    """A tensor of a network, and the derivative by it."""

    tensor: Tensor
    slope: Tensor


class GraphGradients:
    """Differentiates ``build(graph, seed)`` in train mode, one graph after the other.

    Weights are drawn once for all graphs; each is differentiated on its own.

    Args:
        seed: of the weights.
        like: a batch, for its device and precision.
        weights: whether to differentiate by weights.
    """

    def __init__(self, seed: int, like: Tensor, *, weights: bool = True) -> None:
        self.population = Population(seed, like.device, like.dtype, kept=True, learning=weights)

    def by_weights(self, graph: Graph, x: Sequence[Tensor], y: Tensor) -> list[Gradient]:
        """The loss by every weight that it depends on, in the order of the nodes."""
        merged, output = self._run(graph, x)
        found = [
            parameter
            for index, slot in enumerate(merged.slots)
            if slot.key and slot.inputs
            for parameter in self._module(merged, index).parameters()
            if parameter.dim() > 1
        ]
        return _gradients(logits_loss(output, y), found)

    def by_outputs(
        self, graph: Graph, ops: tuple[type[Op], ...], x: Sequence[Tensor], y: Tensor
    ) -> list[Gradient]:
        """The loss by what every such operation gives."""
        found: list[Tensor] = []
        _, output = self._run(graph, x, ops, found.append)
        return _gradients(logits_loss(output, y), found)

    def by_inputs(self, graph: Graph, x: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The sum of all outputs by each sample, (n, D) float64, and the outputs."""
        leaves = [t.detach().clone().requires_grad_() for t in x]
        _, output = self._run(graph, leaves)
        if output.requires_grad:
            slopes = torch.autograd.grad(output.sum(), leaves)
        else:  # no path leads from the inputs to the outputs
            slopes = tuple(map(torch.zeros_like, leaves))
        return torch.cat([s.flatten(1).double() for s in slopes], dim=1), output.detach()

    def _run(
        self,
        graph: Graph,
        x: Sequence[Tensor],
        ops: tuple[type[Op], ...] = (),
        read: Callable[[Tensor], None] = lambda _: None,
    ) -> tuple[Merged, Tensor]:
        merged = merge([graph])
        readers = {i: read for i, slot in enumerate(merged.slots) if isinstance(slot.op, ops)}
        with torch.enable_grad():
            ((output, *_),) = self.population(merged, x, readers)
        return merged, output

    def _module(self, merged: Merged, index: int) -> torch.nn.Module:
        slot = merged.slots[index]
        return self.population.module(slot.op, slot.key, merged.input_shapes(index))


def _gradients(loss: Tensor, tensors: Sequence[Tensor]) -> list[Gradient]:
    slopes = torch.autograd.grad(loss, list(tensors), allow_unused=True)
    return [
        Gradient(tensor.detach(), slope)
        for tensor, slope in zip(tensors, slopes, strict=True)
        if slope is not None
    ]


def from_weights(total: Callable[[Sequence[Gradient]], float]) -> AtOnce:
    """The score of many graphs that is ``total`` of the gradients by their weights."""
    return of_each(lambda run, graph, x, y: total(run.by_weights(graph, x, y)))


def from_outputs(ops: tuple[type[Op], ...], total: Callable[[Sequence[Gradient]], float]) -> AtOnce:
    """The score of many graphs that is ``total`` of the gradients by these operations' outputs."""
    return of_each(lambda run, graph, x, y: total(run.by_outputs(graph, ops, x, y)))


def from_inputs(total: Callable[[Tensor, Tensor, Tensor], float]) -> AtOnce:
    """The score of many graphs that is ``total`` of the Jacobian, the outputs and the labels."""
    return of_each(lambda run, graph, x, y: total(*run.by_inputs(graph, x), y), weights=False)


def of_each(
    score: Callable[[GraphGradients, Graph, Sequence[Tensor], Tensor], float],
    *,
    weights: bool = True,
) -> AtOnce:
    """The score of many graphs that ``score`` gives one, from its gradients, batch and labels."""

    @alike
    def at_once(
        graphs: Sequence[Graph],
        x: Inputs | None,
        y: Tensor | None = None,
        *,
        seed: int,
        memory: int,
    ) -> Iterator[float]:
        if x is None:
            return
        batch = tensors(x)
        run = GraphGradients(seed, batch[0], weights=weights)
        labels = torch.empty(0) if y is None else y
        for graph in graphs:
            yield score(run, graph, batch, labels)

    return at_once
