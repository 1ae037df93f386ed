"""A recurrent layer whose cell changes, with weights that all its cells share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor, nn
from torch.func import functional_call

from nascout.graph import Graph
from nascout.network.mixed_highway import mixed_highway
from nascout.network.supernet import Supernet
from nascout.space.darts_rnn_relaxation import DartsRnnRelaxation

__all__ = ["SharedCell"]


class SharedCell(nn.Module):
    """Stands where a :class:`nascout.network.module.Network` of a cell stands.

    Called with x and the states, it gives the next states of the cell that it was last told to
    :meth:`use`.

    Args:
        net: the weights.
        graph: one step of a cell, to begin with; the others have states of the same shapes.
        relaxation: of which every graph with gates is, whole; it then runs faster over time.

    Example:
        >>> import torch
        >>> from nascout.space import SPACES
        >>> space = SPACES["darts_rnn"](width=4)
        >>> graph = space.parse(space.known["darts_rnn_v2"]).graph()
        >>> cell = SharedCell(Supernet(), graph)
        >>> cell.net.hold(graph)
        >>> cell(torch.zeros(2, 4), torch.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(
        self, net: Supernet, graph: Graph, relaxation: DartsRnnRelaxation | None = None
    ) -> None:
        super().__init__()
        self.net, self.graph, self.relaxation = net, graph, relaxation
        self.gates: Mapping[str, Tensor] = {}

    def use(self, graph: Graph, gates: Mapping[str, Tensor] | None = None) -> None:
        """Be this cell, with these gates by name; the supernet holds its graph."""
        self.graph, self.gates = graph, gates or {}

    def forward(self, x: Tensor, *states: Tensor) -> Tensor | tuple[Tensor, ...]:
        """x and each state: (n, width)."""
        return self.net(self.graph, x, *states, gates=self.gates)  # type: ignore[no-any-return]

    def stepping(self, values: Mapping[str, Tensor]) -> Callable[..., Tensor | tuple[Tensor, ...]]:
        """The cell of now with ``values`` in the place of parameters: called as the cell is."""
        if self.relaxation is not None and self.gates:
            weights = {_key(name): values.get(name, p) for name, p in self.matrices()}
            return mixed_highway(self.relaxation, weights, self.gates)
        if not values:
            return self
        return lambda *inputs: functional_call(self, dict(values), inputs)

    def matrices(self) -> Iterator[tuple[str, Tensor]]:
        """Those that the cell of now may read, by the name of the parameter."""
        keys = {node.key for node in self.graph}
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1 and _key(name) in keys:
                yield name, parameter


def _key(name: str) -> str:
    """Of the node whose parameter has this name, ``net.weighted.KEY@digest.weight``."""
    return name.removeprefix("net.weighted.").rpartition("@")[0]
