"""One step of a recurrent cell as a traced network, where it was changed node by node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, fx, nn

from nascout.graph import Graph

__all__ = ["TracedCell"]


class TracedCell(nn.Module):
    """Stands where a :class:`nascout.network.module.Network` of a cell stands.

    Args:
        net: called with x and the states, gives the next states.
        graph: of the cell that it was traced from, whose inputs and states it has.
        apart: beginnings of names in ``net``: no connection of these parts is ever dropped.

    Example:
        >>> import torch
        >>> from nascout.network.module import Network
        >>> from nascout.space import SPACES
        >>> space = SPACES["darts_rnn"](width=4)
        >>> graph = space.parse(space.known["darts_rnn_v2"]).graph()
        >>> step, traced = Network(graph), fx.Graph()
        >>> x, h = traced.placeholder("x"), traced.placeholder("h")
        >>> _ = traced.output(traced.call_module("step", (x, h)))
        >>> cell = TracedCell(fx.GraphModule({"step": step}, traced), graph)
        >>> cell(torch.zeros(2, 4), torch.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, net: fx.GraphModule, graph: Graph, apart: Sequence[str] = ()) -> None:
        super().__init__()
        self.net, self.graph, self.apart = net, graph, tuple(apart)

    def forward(self, x: Tensor, *states: Tensor) -> Tensor | tuple[Tensor, ...]:
        """x and each state: (n, width)."""
        return self.net(x, *states)  # type: ignore[no-any-return]

    def matrices(self) -> Iterator[tuple[str, Tensor]]:
        """Those whose connections may be dropped, by the name of the parameter."""
        for name, parameter in self.net.named_parameters("net"):
            if parameter.dim() > 1 and not name.removeprefix("net.").startswith(self.apart):
                yield name, parameter
