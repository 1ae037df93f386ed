"""NAS-Bench-NLP's recipes as graphs of one step, like any other recurrent cell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from nascout.graph import Builder, Graph, Op
from nascout.graph.gates import Sigmoid
from nascout.graph.ops import Add, Linear
from nascout.graph.recurrent import Blend, Hadamard, LeakyReLU, Tanh
from nascout.network.recurrent_recipe import RecipeNode, parse_recipe

__all__ = ["recipe_graph"]

OPS: Final[Mapping[str, Op]] = {
    "blend": Blend(),
    "elementwise_prod": Hadamard(),
    "elementwise_sum": Add(),
    "activation_tanh": Tanh(),
    "activation_sigm": Sigmoid(),
    "activation_leaky_relu": LeakyReLU(),
}


def recipe_graph(
    recipe: str | Mapping[str, RecipeNode], input_size: int, hidden_size: int
) -> Graph:
    """One step of a recipe's cell: inputs x and the states, outputs the next states.

    What a recipe means stands in :mod:`nascout.network.recurrent_recipe`. Inputs of different
    widths (``x`` is ``input_size`` long, all else ``hidden_size``) meet only in linear nodes.

    Args:
        recipe: JSON text, or nodes in the order of their computation.
        input_size: features of ``x``.
        hidden_size: features of every state and node.

    Raises:
        ArchitectureError: text that is no recipe.

    Example:
        >>> text = '{"h_new_0": {"op": "linear", "input": ["x", "h_prev_0"]}}'
        >>> graph = recipe_graph(text, 3, 4)
        >>> [str(graph.shapes[i]) for i in (*graph.inputs, *graph.outputs)]
        ['3', '4', '4']
    """
    nodes = parse_recipe(recipe) if isinstance(recipe, str) else recipe
    states = sorted(
        (name for name in nodes if re.fullmatch(r"h_new_\d+", name)),
        key=lambda name: int(name.removeprefix("h_new_")),
    )
    g = Builder()
    place = {"x": g.input((input_size,), key="x")}
    for name in states:
        before = name.replace("new", "prev")
        place[before] = g.input((hidden_size,), key=before)
    for name, node in nodes.items():
        inputs = [place[i] for i in node.inputs]
        if node.op == "linear":
            both = g.concat(*inputs, key=f"{name}/concat")
            place[name] = g.node(Linear(hidden_size), both, key=f"{name}/linear")
        else:
            place[name] = g.node(OPS[node.op], *inputs, key=f"{name}/{node.op}")
    return g.graph(*(place[name] for name in states))
