"""Weights that many networks share, by their place: any graph of a space runs with them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nascout.errors import GraphError
from nascout.graph import Graph
from nascout.graph.builder import GATES
from nascout.graph.graph import Call
from nascout.graph.op import Op
from nascout.graph.ops import BatchNorm, Input
from nascout.graph.shape import Shape
from nascout.network.lowering import lower
from nascout.network.module import initialise_node, undrawn
from nascout.records import content_digest

__all__ = ["Supernet"]


class Supernet(nn.Module):
    """One set of weights per node key, operation and shapes of inputs.

    Two networks that have the same node in the same place have its weights in common. A node's
    weights appear when a graph with it is first made known by :meth:`hold`, with the values that
    :func:`nascout.build` gives them.

    Batch normalisation uses the statistics of the batch, in training and evaluation: what flows
    through a node depends on the network that it is a part of, so running statistics would be of
    none of them.

    Args:
        seed: of the weights.
        device: where they live.
        affine: whether normalisations have weights. DARTS, ENAS's micro cells and the searches on
            NAS-Bench-201 leave them out, because they would rescale what gates scale.

    Example:
        >>> import torch
        >>> from nascout.space import SPACES
        >>> space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
        >>> net, everything = Supernet(), space.relaxation().graph()
        >>> net.hold(everything)
        >>> gates = {edge.name: torch.full((5,), 0.2) for edge in space.decisions}
        >>> net(everything, torch.zeros(2, 1, 8, 8), gates=gates).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, seed: int = 0, device: torch.device | str = "cpu", *, affine: bool = False
    ) -> None:
        super().__init__()
        self.seed, self.device, self.affine = seed, device, affine
        self.weighted = nn.ModuleDict()
        self._plain: dict[tuple[Op, tuple[Shape, ...]], nn.Module] = {}
        self._suffixes: dict[tuple[Op, tuple[Shape, ...]], str] = {}

    def hold(self, *graphs: Graph) -> None:
        """Make the weights of these graphs that are not there yet."""
        with undrawn(self.seed):
            for graph in graphs:
                for node, call in zip(graph, graph.calls, strict=True):
                    if not isinstance(node.op, Input):
                        self._module(node.key, call)

    def forward(
        self, graph: Graph, *inputs: Tensor, gates: Mapping[str, Tensor] | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """The outputs of ``graph``; a tuple if there are several.

        Args:
            graph: one that is held.
            inputs: one (n, *shape) tensor per input that holds no gates, in order.
            gates: a vector for every input ``gates/NAME`` of the graph, by ``NAME``; those of
                other graphs may be among them.

        Raises:
            GraphError: another number of inputs, or gates that are missing.
        """
        values: dict[int, Tensor] = {}
        waiting = list(reversed(inputs))
        steps = zip(graph, graph.calls, graph.spent, strict=True)
        for index, (node, call, spent) in enumerate(steps):
            if isinstance(node.op, Input):
                values[index] = _given(node.key, waiting, gates or {})
            else:
                module = self._module(node.key, call)
                values[index] = module(*[values[i] for i in node.inputs])
            for i in spent:
                del values[i]
        if waiting:
            raise GraphError(f"{len(waiting)} inputs too many", "Pass one batch per Input node.")
        outputs = tuple(values[i] for i in graph.outputs)
        return outputs if len(outputs) > 1 else outputs[0]

    def _module(self, key: str, call: Call) -> nn.Module:
        what = call.op, call.inputs
        if what in self._plain:
            return self._plain[what]
        if what not in self._suffixes:
            self._suffixes[what] = _suffix(call)
        name = key.replace(".", "_") + self._suffixes[what]
        if name not in self.weighted:
            module = self._made(call)
            if next(module.parameters(), None) is None:
                return self._plain.setdefault(what, module)
            initialise_node(module, key, self.seed)
            self.weighted[name] = module.to(self.device)
        return self.weighted[name]

    def _made(self, call: Call) -> nn.Module:
        if isinstance(call.op, BatchNorm):
            kind = nn.BatchNorm2d if call.shape.is_map else nn.BatchNorm1d
            affine = self.affine and call.op.affine
            return kind(call.shape.channels, affine=affine, track_running_stats=False)
        return lower(call.op, call.inputs)


def _given(key: str, waiting: list[Tensor], gates: Mapping[str, Tensor]) -> Tensor:
    scope, _, name = key.partition("/")
    if scope == GATES and name:
        if name not in gates:
            raise GraphError(f"no gates {name!r} were given", "Pass gates={name: vector}.")
        return gates[name][None] if gates[name].dim() == 1 else gates[name]
    if not waiting:
        raise GraphError(f"nothing was given for the input {key!r}", "Pass one batch per Input.")
    return waiting.pop()


def _suffix(call: Call) -> str:
    """``@`` and a digest of what a node does and reads."""
    shapes = [list(shape) for shape in call.inputs]
    return "@" + content_digest([type(call.op).__name__, call.op.attributes(), shapes])[:8]
