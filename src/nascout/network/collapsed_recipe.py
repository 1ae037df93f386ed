"""Recurrent cells given as recipes, at constant weights, on one unit per node.

All units of a node are equal then, and a linear node is the constant times the sum of what it
reads: the width times one unit, or, for the embedding, the sum of its units.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nascout.errors import UnsupportedNetwork
from nascout.network.recurrent_recipe import FUNCTIONS, RecipeCell, RecipeLanguageModel

__all__ = ["collapsed_states"]


def collapsed_states(
    net: RecipeLanguageModel, tokens: Tensor, embedding: Tensor, constant: float
) -> Tensor:
    """(t, n) one unit of the last layer's output, for integer tokens (n, t).

    Args:
        net: whose recipe and sizes are read; its weights do not matter.
        tokens: what the network takes.
        embedding: (vocabulary, units), as it is.
        constant: every other weight; biases are zero.

    Raises:
        UnsupportedNetwork: units of a layer differ, because its recipe reads the embedding by
            something else than linear nodes, or a width that does not fit.

    Example:
        >>> recipe = '{"h_new_0": {"op": "linear", "input": ["x", "h_prev_0"]}}'
        >>> net = RecipeLanguageModel(recipe, 9, emsize=4, nlayers=1)
        >>> collapsed_states(net, torch.tensor([[0, 0]]), torch.ones(9, 4), 0.5)  # 4/2, 4/2 + 8/2
        tensor([[2.],
                [6.]])
    """
    totals = embedding.sum(1)[tokens].T
    units, width = None, embedding.shape[1]
    for cell in net.cells:
        if not isinstance(cell, RecipeCell):
            raise UnsupportedNetwork("a layer is not a recipe", "Use RecipeCell.")
        same = units if width == cell.hidden_size else None
        units, width = torch.stack(list(_steps(cell, totals, same, constant))), cell.hidden_size
        totals = width * units
    assert units is not None
    return units


def _steps(
    cell: RecipeCell, totals: Tensor, units: Tensor | None, constant: float
) -> Iterator[Tensor]:
    """(n,) the layer's output at each step, of the sum and, if they are equal, one of x's units."""
    states = [torch.zeros_like(totals[0])] * cell.states
    for step, total in enumerate(totals):
        values = {f"h_prev_{i}": state for i, state in enumerate(states)}
        if units is not None:
            values["x"] = units[step]
        for name, node in cell.recipe.items():
            if node.op == "linear":
                read = [total if i == "x" else cell.hidden_size * values[i] for i in node.inputs]
                values[name] = constant * torch.stack(read).sum(0)
            elif "x" in node.inputs and units is None:
                raise UnsupportedNetwork(
                    f"the recipe's node {name!r} reads x, whose units differ",
                    "Score the network in full.",
                )
            else:
                values[name] = FUNCTIONS[node.op](*[values[i] for i in node.inputs])
        states = [values[f"h_new_{i}"] for i in range(cell.states)]
        yield states[0]
