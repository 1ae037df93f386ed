"""What a network does differently in training, in a graph that knows both."""

from __future__ import annotations

from typing import Any

from torch import fx
from torch.utils._pytree import tree_flatten, tree_unflatten

from nascout.errors import UnsupportedNetwork

__all__ = ["follow_training", "scope_of"]


def follow_training(evaluated: fx.Graph, trained: fx.Graph) -> None:
    """Make ``evaluated`` choose, where the two graphs pass different constants, by the mode.

    Tracing writes ``F.dropout(x, 0.1, self.training)`` down with the value that the flag had. The
    same code traced in both modes shows which constants follow the flag.

    Args:
        evaluated: traced in evaluation mode; changed in place.
        trained: traced in training mode.

    Raises:
        UnsupportedNetwork: other operations in training; names the first.
    """
    nodes, in_training = list(evaluated.nodes), list(trained.nodes)
    for one, other in zip(nodes, in_training, strict=False):
        (values, form), (other_values, other_form) = (
            tree_flatten((node.args, node.kwargs)) for node in (one, other)
        )
        if (one.op, one.target, form) != (other.op, other.target, other_form):
            raise _different(one)
        for index, (value, training_value) in enumerate(zip(values, other_values, strict=True)):
            if str(value) != str(training_value):
                if isinstance(value, fx.Node) or isinstance(training_value, fx.Node):
                    raise _different(one)
                values[index] = _chosen(evaluated, one, training_value, value)
        one.args, one.kwargs = tree_unflatten(values, form)
    if len(nodes) != len(in_training):
        raise _different(nodes[-1])


def scope_of(node: fx.Node) -> str:
    """The submodule whose code makes the call; empty for the network itself."""
    return str(next(reversed(node.meta.get("nn_module_stack") or {"": None}))).partition("@")[0]


def _chosen(graph: fx.Graph, node: fx.Node, training: Any, evaluated: Any) -> fx.Node:
    with graph.inserting_before(node):
        flag = graph.create_node("get_attr", f"{scope_of(node)}.training".lstrip("."))
        chosen = graph.call_function(_by_mode, (flag, training, evaluated))
    for made in (flag, chosen):
        made.meta["nn_module_stack"] = node.meta.get("nn_module_stack", {})
    return chosen


def _by_mode(is_training: bool, training: object, evaluated: object) -> object:
    return training if is_training else evaluated


def _different(node: fx.Node) -> UnsupportedNetwork:
    scope = scope_of(node)
    return UnsupportedNetwork(
        f"the network does other things in training than in evaluation, from {node.name!r} "
        f"{f'in {scope!r} ' if scope else ''}on",
        f"Pass leaf=[{scope!r}], so that it is not looked into."
        if scope
        else "Move `if self.training` into a submodule and name that in leaf=[...].",
    )
