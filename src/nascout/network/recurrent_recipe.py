"""Recurrent cells given as recipes, in NAS-Bench-NLP's notation, and a language model of them.

A recipe maps a node to its operation and inputs::

    {"node_0": {"op": "linear", "input": ["x", "h_prev_0"]},
     "h_new_0": {"op": "activation_tanh", "input": ["node_0"]}}

``x`` is the cell's input, ``h_prev_i`` its state i of the step before, and the node ``h_new_i``
gives that state's next value. State 0 is the cell's output.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascout.errors import ArchitectureError, ConfigError, UnsupportedNetwork

__all__ = ["RecipeCell", "RecipeLanguageModel", "RecipeNode", "parse_recipe"]

# How many inputs each operation takes: at least, at most.
ARITY: Final[Mapping[str, tuple[int, float]]] = {
    "linear": (1, math.inf),
    "blend": (3, 3),
    "elementwise_prod": (2, math.inf),
    "elementwise_sum": (2, math.inf),
    "activation_tanh": (1, 1),
    "activation_sigm": (1, 1),
    "activation_leaky_relu": (1, 1),
}
FUNCTIONS: Final[Mapping[str, Callable[..., Tensor]]] = {
    "blend": lambda z, a, b: z * a + (1 - z) * b,
    "elementwise_prod": lambda *values: reduce(torch.mul, values),
    "elementwise_sum": lambda *values: reduce(torch.add, values),
    "activation_tanh": torch.tanh,
    "activation_sigm": torch.sigmoid,
    "activation_leaky_relu": F.leaky_relu,
}
FORM: Final = 'Write {"node_0": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": ...}.'


@dataclass(frozen=True)
class RecipeNode:
    """An operation and the names of its inputs, in order."""

    op: str
    inputs: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.op not in ARITY:
            raise ArchitectureError(
                f"a recipe with the operation {self.op!r}", f"Known: {', '.join(sorted(ARITY))}."
            )
        least, most = ARITY[self.op]
        if not least <= len(self.inputs) <= most:
            wanted = f"{least}" if least == most else f"at least {least}"
            raise ArchitectureError(
                f"{self.op} of {len(self.inputs)} inputs in a recipe", f"Give it {wanted}."
            )


Recipe = Mapping[str, RecipeNode]


def parse_recipe(text: str) -> dict[str, RecipeNode]:
    """Read a recipe from JSON; the nodes come out in an order in which they can be computed.

    Raises:
        ArchitectureError: not such JSON, an unknown operation or input, a wrong number of
            inputs, a name given twice, a loop within one step, or states that do not match.

    Example:
        >>> parse_recipe('{"h_new_0": {"op": "linear", "input": ["x", "h_prev_0"]}}')
        {'h_new_0': RecipeNode(op='linear', inputs=('x', 'h_prev_0'))}
    """
    try:
        content = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise ArchitectureError(f"a recipe is not JSON ({error})", FORM) from None
    if not isinstance(content, dict):
        raise ArchitectureError("a recipe is not a JSON object", FORM)
    nodes = {name: _node(name, node) for name, node in content.items()}
    known = {"x", *nodes, *(f"h_prev_{i}" for i in range(_states(nodes)))}
    for name, node in nodes.items():
        unknown = [i for i in node.inputs if i not in known]
        if unknown:
            raise ArchitectureError(
                f"recipe node {name!r} takes {unknown[0]!r}, which nothing gives",
                "Take x, another node, or h_prev_i of a state h_new_i.",
            )
    try:
        order = TopologicalSorter({k: n.inputs for k, n in nodes.items()}).static_order()
        return {name: nodes[name] for name in order if name in nodes}
    except CycleError as error:
        raise ArchitectureError(
            f"a recipe needs its own result: {' -> '.join(error.args[1])}",
            "Only h_prev_i may carry a value around, to the next step.",
        ) from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a name is given twice")
    return content


def _node(name: str, node: Any) -> RecipeNode:
    if name == "x" or name.startswith("h_prev_"):
        raise ArchitectureError(f"a recipe computes {name!r}, which is an input", FORM)
    if not isinstance(node, dict) or set(node) != {"op", "input"}:
        raise ArchitectureError(f"recipe node {name!r} is not an operation with its inputs", FORM)
    op, inputs = node["op"], node["input"]
    if not (isinstance(op, str) and isinstance(inputs, list)):
        raise ArchitectureError(f"recipe node {name!r} has no name or list of inputs", FORM)
    if not all(isinstance(i, str) for i in inputs):
        raise ArchitectureError(f"recipe node {name!r} has an input that is not a name", FORM)
    return RecipeNode(op, tuple(inputs))


def _states(nodes: Recipe) -> int:
    """How many states there are: nodes h_new_0, h_new_1 and so on."""
    states = {name for name in nodes if re.fullmatch(r"h_new_\d+", name)}
    if not states or states != {f"h_new_{i}" for i in range(len(states))}:
        raise ArchitectureError(
            f"a recipe with the states {', '.join(sorted(states)) or 'none'}",
            "Number them h_new_0, h_new_1 and so on.",
        )
    return len(states)


class RecipeCell(nn.Module):
    """One step of a recurrent layer, as its recipe says.

    A linear node is one matrix over its inputs side by side, with one bias; its weights are
    uniform in ±1/√hidden_size.

    Args:
        recipe: JSON text, or nodes in the order of their computation (:func:`parse_recipe`).
        input_size: features of ``x``.
        hidden_size: features of every state and node.
        generator: what draws the weights; seed 0 by default.

    Raises:
        ArchitectureError: text that is no recipe.

    Deviation from the authors' code: there, a sum of more than two inputs takes one of them
    repeatedly; here it sums them.

    Example:
        >>> cell = RecipeCell('{"h_new_0": {"op": "linear", "input": ["x", "h_prev_0"]}}', 3, 4)
        >>> [state.shape for state in cell(torch.ones(2, 3))]
        [torch.Size([2, 4])]
    """

    def __init__(
        self,
        recipe: str | Recipe,
        input_size: int,
        hidden_size: int,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.recipe = parse_recipe(recipe) if isinstance(recipe, str) else dict(recipe)
        self.states = _states(self.recipe)
        self.hidden_size = hidden_size
        generator = generator or torch.Generator().manual_seed(0)
        bound = 1 / math.sqrt(hidden_size)
        widths = [
            sum(input_size if i == "x" else hidden_size for i in node.inputs)
            for node in self.recipe.values()
            if node.op == "linear"
        ]
        with torch.random.fork_rng(devices=[]):  # torch draws weights, which are drawn anew
            self.linears = nn.ModuleList(nn.Linear(width, hidden_size) for width in widths)
        for parameter in self.linears.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator)

    def forward(self, x: Tensor, states: tuple[Tensor, ...] | None = None) -> tuple[Tensor, ...]:
        """The next states, each (n, hidden_size), from x (n, input_size); zeros come first."""
        before = states or (x.new_zeros(len(x), self.hidden_size),) * self.states
        values = {"x": x, **{f"h_prev_{i}": state for i, state in enumerate(before)}}
        linears = iter(self.linears)
        for name, node in self.recipe.items():
            inputs = [values[i] for i in node.inputs]
            if node.op == "linear":
                values[name] = next(linears)(torch.cat(inputs, dim=1))
            else:
                values[name] = FUNCTIONS[node.op](*inputs)
        return tuple(values[f"h_new_{i}"] for i in range(self.states))


class RecipeLanguageModel(nn.Module):
    """Embedding, layers of a recipe's cell, decoder: the networks that NAS-Bench-NLP trained.

    The decoder's matrix is the embedding's, so the last layer is as wide as the embedding. The
    defaults are the benchmark's on WikiText-2; on Penn Treebank its vocabulary is 10,000.

    Args:
        recipe: JSON text, or nodes in order.
        vocabulary: how many tokens there are.
        emsize, nhid: width of the embedding and the last layer, and of the other layers.
        nlayers: how many layers.
        seed: of the weights: embedding uniform in ±0.1, cells as in :class:`RecipeCell`.

    Raises:
        ArchitectureError: text that is no recipe.
        ConfigError: a size below one.

    Deviation from the benchmark: no dropout, which its training adds and which has no weights.

    Example:
        >>> recipe = '{"h_new_0": {"op": "linear", "input": ["x", "h_prev_0"]}}'
        >>> net = RecipeLanguageModel(recipe, 50, emsize=8, nhid=12, nlayers=2)
        >>> net(torch.zeros(3, 5, dtype=torch.long)).shape
        torch.Size([3, 5, 50])
    """

    def __init__(
        self,
        recipe: str | Recipe,
        vocabulary: int = 33_278,
        *,
        emsize: int = 400,
        nhid: int = 600,
        nlayers: int = 3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if min(vocabulary, emsize, nhid, nlayers) < 1:
            raise ConfigError("a size below one in a language model", "Give sizes of at least 1.")
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            self.embedding = nn.Embedding(vocabulary, emsize)
            self.decoder = nn.Linear(emsize, vocabulary)
        self.decoder.weight = self.embedding.weight
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1, generator)
        nn.init.zeros_(self.decoder.bias)
        widths = [emsize, *[nhid] * (nlayers - 1), emsize]
        self.cells = nn.ModuleList(
            RecipeCell(recipe, before, after, generator=generator)
            for before, after in pairwise(widths)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (n, t, vocabulary) of the next token, for integer tokens (n, t)."""
        if tokens.dim() != 2 or tokens.is_floating_point():
            raise UnsupportedNetwork(
                f"a language model got {tokens.dtype} {tuple(tokens.shape)}",
                "Give integer tokens (n, t).",
            )
        x = self.embedding(tokens)
        for cell in self.cells:
            states: tuple[Tensor, ...] | None = None
            outputs = []
            for step in x.unbind(1):
                states = cell(step, states)
                outputs.append(states[0])
            x = torch.stack(outputs, 1)
        logits: Tensor = self.decoder(x)
        return logits
