"""The shape of every tensor of a graph, for one sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, fx, nn

from nascout.network.mode import evaluating

__all__ = ["record_shapes"]


def record_shapes(net: fx.GraphModule, inputs: Sequence[Tensor]) -> None:
    """Note ``meta["shape"]``, without the batch, and ``meta["dtype"]`` where the batch is first.

    The batch is the dimension that changes with the number of rows: the network runs on three
    and on two. Tensors without it, or with it elsewhere, get no shape.
    """
    runs = []
    for rows in (3, 2):
        recorded = _Shapes(net)
        with evaluating(net):
            recorded.run(*(tensor[:rows] for tensor in inputs))
        runs.append(recorded.seen)
    for node, (shape, dtype) in runs[0].items():
        if shape[:1] == (3,) and runs[1].get(node) == ((2, *shape[1:]), dtype):
            node.meta.update(shape=shape[1:], dtype=dtype)


class _Shapes(fx.Interpreter):
    def __init__(self, net: nn.Module) -> None:
        super().__init__(net)
        self.seen: dict[fx.Node, tuple[tuple[int, ...], Any]] = {}

    def run_node(self, n: fx.Node) -> Any:
        """As ever, noting the result's shape."""
        result = super().run_node(n)
        # What is there to be written into is nothing that a candidate should read.
        if isinstance(result, Tensor) and not n.meta.get("written"):
            self.seen[n] = tuple(result.shape), result.dtype
        return result
