"""Operations that write into their input, made to write elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, fx, nn

from nascout.network.mode import evaluating

__all__ = ["make_out_of_place"]


def make_out_of_place(net: fx.GraphModule, inputs: Sequence[Tensor]) -> None:
    """Change ``net`` so that no tensor of it changes after it was made.

    A candidate may read any tensor, later than the network does. Modules and functions with an
    ``inplace`` flag lose it; whatever else is seen writing into an argument, a leaf of the user's
    for instance, gets a copy to write into. Later readers read what was written.
    """
    place = {node: float(index) for index, node in enumerate(net.graph.nodes)}
    modules = {n: net.get_submodule(str(n.target)) for n in place if n.op == "call_module"}
    flagged = [node for node, module in modules.items() if getattr(module, "inplace", False)]
    for node in flagged:
        modules[node].inplace = False  # type: ignore[assignment]
    for node in place:
        if node.kwargs.get("inplace") is True:
            node.kwargs = {**node.kwargs, "inplace": False}
            flagged.append(node)
    for node in sorted(flagged, key=place.__getitem__):
        _redirect(place, node, node.all_input_nodes[0], node)
    watched = _Writes(net)
    with evaluating(net):
        watched.run(*(tensor.clone() for tensor in inputs))
    for node, position in watched.found:
        argument = node.all_input_nodes[position]
        with net.graph.inserting_before(node):
            copied = net.graph.call_method("clone", (argument,))
        copied.meta.update(path=f"{argument.meta['path']}>{node.meta['path']}", written=True)
        place[copied] = place[node] - 0.5
        node.replace_input_with(argument, copied)
        _redirect(place, node, argument, copied)
    net.recompile()


def _redirect(place: dict[fx.Node, float], node: fx.Node, old: fx.Node, new: fx.Node) -> None:
    """What comes after ``node`` and reads ``old`` reads ``new``."""
    for reader in list(old.users):
        if place[reader] > place[node]:
            reader.replace_input_with(old, new)


class _Writes(fx.Interpreter):
    """Runs a graph and finds arguments whose version changed: ``(node, position)``."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__(net)
        self.found: list[tuple[fx.Node, int]] = []

    def run_node(self, n: fx.Node) -> Any:
        """As ever, looking at the versions of what ``n`` reads before and after."""
        read = [self.env[argument] for argument in n.all_input_nodes]
        versions = [x._version if isinstance(x, Tensor) else None for x in read]
        result = super().run_node(n)
        self.found += [
            (n, position)
            for position, (x, version) in enumerate(zip(read, versions, strict=True))
            if isinstance(x, Tensor) and x._version != version
        ]
        return result
