"""Graphs at constant weights, evaluated on one channel per distinct tensor.

With all weights of a layer equal, its output channels are equal, so one is computed, and a
convolution over c equal channels is c times one channel. What is left of a network is a program
of single channels, small enough that whole spaces can be scored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from torch import Tensor

from nascout.errors import GraphError, UnsupportedNetwork
from nascout.graph import Graph
from nascout.network.collapsed_ops import Channels, collapse
from nascout.network.collapsed_run import Run
from nascout.network.collapsed_values import Value, Values

__all__ = ["Collapsed"]

KNOWN: Final = 2**17  # values to remember, about 100 MB


class Collapsed:
    """Networks of constant weights on one batch; what they share is computed once.

    Args:
        batch: one (n, channels, *area) tensor per input of the graphs; float32 or float64.
        train: batch statistics, or those of a normalisation that has seen nothing.
        memory: bytes of activations that may wait for other graphs.

    Example:
        >>> import torch
        >>> from nascout.graph import Builder
        >>> from nascout.graph.ops import Conv2d, GlobalAvgPool
        >>> g = Builder()
        >>> ops = Conv2d(8, 1), Conv2d(1, 1), GlobalAvgPool()
        >>> graph = g.graph(g.chain(ops, g.input((3, 4, 4)), key="net"))
        >>> collapsed = Collapsed([torch.ones(2, 3, 4, 4)])
        >>> next(collapsed.outputs(collapsed.read([graph]), 0.5))  # 3 / 2, times 8 / 2
        tensor([6., 6.])
    """

    def __init__(self, batch: Sequence[Tensor], *, train: bool = True, memory: int = 2**30) -> None:
        self._batch = batch
        self._train = train
        self._memory = memory
        self._begin()

    def _begin(self) -> None:
        self._values = Values(self._batch, train=self._train)
        self._runs: dict[float, Run] = {}

    def read(self, graphs: Sequence[Graph]) -> list[Value | UnsupportedNetwork]:
        """What each graph computes; what cannot be collapsed says why.

        Values of an earlier call must not be used after it.
        """
        if len(self._values) > KNOWN:
            self._begin()
        return [self._read(graph) for graph in graphs]

    def outputs(self, ends: Sequence[Value], constant: float) -> Iterator[Tensor]:
        """(n,) the first output of every network with each weight ``constant``, in order.

        Weights of normalisations are weights; biases are zero. A tensor that several networks
        share waits for the last of these.
        """
        if constant not in self._runs:
            self._runs[constant] = Run(self._values, constant, self._memory)
        run = self._runs[constant]
        for end in ends:
            run.expect(end)
        for end in ends:
            yield run.result(end)

    def _read(self, graph: Graph) -> Value | UnsupportedNetwork:
        try:
            return self._end(graph)
        except UnsupportedNetwork as error:
            return error
        except (GraphError, ValueError) as error:
            return UnsupportedNetwork(str(error), "Score networks one by one.")

    def _end(self, graph: Graph) -> Value:
        """The value of the first channel of the first output."""
        inputs = {index: which for which, index in enumerate(graph.inputs)}
        given = [tuple(x.shape[1:]) for x in self._batch]
        wanted = [tuple(graph.shapes[i]) for i in inputs]
        if given != wanted:
            raise UnsupportedNetwork(
                f"a graph with inputs {wanted} got samples {given}", "Score networks one by one."
            )
        found: list[Channels] = []
        for index, (node, live) in enumerate(zip(graph.nodes, graph.live, strict=True)):
            if not live:
                found.append(())
            elif index in inputs:
                found.append(self._input(inputs[index]))
            else:
                found.append(collapse(node.op, self._values, [found[i] for i in node.inputs]))
        return found[graph.outputs[0]][0][0]

    def _input(self, which: int) -> Channels:
        channels = range(self._batch[which].shape[1])
        return tuple([(self._values.input(which, channel), 1) for channel in channels])
