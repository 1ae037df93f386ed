"""A language model around a recurrent cell: embedding, the cell over time, decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from nascout.errors import ConfigError, UnsupportedNetwork
from nascout.graph import Graph
from nascout.graph.builder import GATES
from nascout.graph.shape import Shape
from nascout.network.draw_weights import uniform_weight
from nascout.network.module import Network, initialise_node, undrawn
from nascout.network.shared_cell import SharedCell
from nascout.network.traced_cell import TracedCell
from nascout.space import Architecture

__all__ = ["Dropouts", "LanguageModel", "States", "language_model"]

EMBEDDING = 0.1  # bound of the embedding's first values

States = tuple[tuple[Tensor, ...], ...]  # of every layer
Cell = Network | SharedCell | TracedCell


@dataclass(frozen=True)
class Dropouts:
    """Probabilities at the places where AWD-LSTM drops (arXiv:1708.02182); zero is none.

    Args:
        words: whole words of the embedding, wherever they stand in the batch.
        inputs: units that enter the first layer, and those between layers; the same at each step.
        hidden: connections of the cells' matrices; the same at each step and for each sample.
        outputs: units that enter the decoder; the same at each step.

    Raises:
        ConfigError: not in [0, 1).
    """

    words: float = 0.0
    inputs: float = 0.0
    hidden: float = 0.0
    outputs: float = 0.0

    def __post_init__(self) -> None:
        if not all(0 <= p < 1 for p in astuple(self)):
            raise ConfigError(f"{self}", "Give probabilities from 0 up to 1, without 1.")


class LanguageModel(nn.Module):
    """Embedding, layers of cells over time, decoder; the decoder's matrix is the embedding's.

    Args:
        cells: one graph of a step per layer: inputs x, then the states; outputs the next states,
            of which the first goes on to the next layer. In the place of a graph may be a cell
            whose graph changes; inputs that hold its gates are no states.
        vocabulary: how many words there are.
        dropouts: in train mode; drawn from torch's generator.

    Raises:
        ConfigError: no layer, or layers that do not fit: the last one's output is as wide as the
            first one's input.
    """

    def __init__(
        self,
        cells: Sequence[Graph | SharedCell],
        vocabulary: int,
        dropouts: Dropouts = Dropouts(),
    ) -> None:
        super().__init__()
        graphs = [cell if isinstance(cell, Graph) else cell.graph for cell in cells]
        _need_fit(graphs, vocabulary)
        width = _inputs(graphs[0])[0].size
        self.dropouts = dropouts
        self.embedding = nn.Embedding(vocabulary, width)
        self.cells = nn.ModuleList(
            Network(cell) if isinstance(cell, Graph) else cell for cell in cells
        )
        self.decoder = nn.Linear(width, vocabulary)
        self.decoder.weight = self.embedding.weight

    @property
    def layers(self) -> list[Cell]:
        """The cells, first layer first."""
        return [cell for cell in self.cells if isinstance(cell, Cell)]

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (n, t, vocabulary) of the next word, for integer tokens (n, t)."""
        return self.run(tokens)[0]

    def run(self, tokens: Tensor, states: States | None = None) -> tuple[Tensor, States]:
        """The same from given states of every layer, and the states after the last token.

        Args:
            tokens: integers (n, t).
            states: per layer, one (n, width) per state; zeros by default. Detach them between
                parts of a text.

        Raises:
            UnsupportedNetwork: other tokens.
        """
        outputs, after = self.outputs(tokens, states)
        logits: Tensor = self.decoder(self.drop_outputs(outputs))
        return logits, after

    def outputs(self, tokens: Tensor, states: States | None = None) -> tuple[Tensor, States]:
        """The last layer's outputs (n, t, width) in the place of logits; else as :meth:`run`."""
        if tokens.dim() != 2 or tokens.is_floating_point():
            raise UnsupportedNetwork(
                f"a language model got {tokens.dtype} {tuple(tokens.shape)}",
                "Give integer tokens (n, t).",
            )
        kept = self.embedding.weight.new_ones(self.embedding.num_embeddings, 1)
        x = self.embedding(tokens) * F.dropout(kept, self.dropouts.words, self.training)[tokens]
        after = []
        for layer, cell in enumerate(self.layers):
            x = self._same_at_each_step(x, self.dropouts.inputs)
            x, last = self._over_time(cell, x, states[layer] if states else None)
            after.append(last)
        return x, tuple(after)

    def drop_outputs(self, outputs: Tensor) -> Tensor:
        """What enters the decoder: outputs (n, t, width), some units dropped in train mode."""
        return self._same_at_each_step(outputs, self.dropouts.outputs)

    def _over_time(
        self, cell: Cell, x: Tensor, states: tuple[Tensor, ...] | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        if states is None:
            _, *shapes = _inputs(cell.graph)
            states = tuple(x.new_zeros(len(x), *shape) for shape in shapes)
        values = {}
        if self.training and self.dropouts.hidden:
            matrices = _matrices(cell)
            values = {name: F.dropout(p, self.dropouts.hidden) for name, p in matrices}
        outputs, step = [], _stepping(cell, values)
        for now in x.unbind(1):
            made = step(now, *states)
            states = made if isinstance(made, tuple) else (made,)
            outputs.append(states[0])
        return torch.stack(outputs, 1), states

    def _same_at_each_step(self, x: Tensor, probability: float) -> Tensor:
        kept = x.new_ones(len(x), 1, x.shape[-1])
        return x * F.dropout(kept, probability, self.training)


def language_model(
    architecture: Architecture | Sequence[Architecture | Graph | SharedCell],
    *,
    vocabulary: int = 10_000,
    layers: int = 1,
    dropouts: Dropouts = Dropouts(),
    seed: int = 0,
) -> LanguageModel:
    """A language model of a recurrent architecture, in train mode.

    Args:
        architecture: of a space of recurrent cells; or one (or its graph, or a cell whose graph
            changes, which has its weights already) per layer.
        vocabulary: how many words there are; Penn Treebank has 10,000.
        layers: how often one architecture is stacked, each layer with its own weights.
        dropouts: where and how much.
        seed: of the weights: the embedding is uniform in ±0.1, matrices in ±1/√(their inputs),
            the decoder's bias zero.

    Raises:
        ConfigError: sizes that do not fit, or below one.

    Deviations from DARTS: there the cells' matrices begin in ±0.04, and ``hidden`` drops units
    of each sample that enter a matrix instead of its connections.

    Example:
        >>> from nascout.space import SPACES
        >>> space = SPACES["darts_rnn"](width=6)
        >>> net = language_model(space.parse(space.known["darts_rnn_v2"]), vocabulary=20)
        >>> net(torch.zeros(2, 5, dtype=torch.long)).shape
        torch.Size([2, 5, 20])
    """
    stacked = [architecture] * layers if isinstance(architecture, Architecture) else architecture
    cells = [one.graph() if isinstance(one, Architecture) else one for one in stacked]
    with undrawn(seed):
        net = LanguageModel(cells, vocabulary, dropouts)
    for layer, cell in enumerate(net.layers):
        if not isinstance(cell, Network):
            continue
        for node, module in zip(cell.graph, cell.node_modules(), strict=True):
            if module is not None:
                initialise_node(module, f"layer{layer}/{node.key}", seed)
    drawn = uniform_weight(seed, "embedding.weight", tuple(net.embedding.weight.shape), 1)
    with torch.no_grad():
        net.embedding.weight.copy_(EMBEDDING * drawn)
        net.decoder.bias.zero_()
    return net


def _inputs(cell: Graph) -> list[Shape]:
    """Of x and the states: gates are given in another way."""
    return [cell.shapes[i] for i in cell.inputs if not cell.nodes[i].key.startswith(f"{GATES}/")]


def _matrices(cell: Cell) -> Iterator[tuple[str, Tensor]]:
    if isinstance(cell, Network):
        return ((name, p) for name, p in cell.named_parameters() if p.dim() > 1)
    return cell.matrices()


def _stepping(cell: Cell, values: dict[str, Tensor]) -> Callable[..., Tensor | tuple[Tensor, ...]]:
    if isinstance(cell, SharedCell):
        return cell.stepping(values)
    return (lambda *inputs: functional_call(cell, values, inputs)) if values else cell


def _need_fit(cells: Sequence[Graph], vocabulary: int) -> None:
    if not cells or vocabulary < 1:
        raise ConfigError(
            f"a language model of {len(cells)} layers and {vocabulary} words", "Give at least one."
        )
    for index, cell in enumerate(cells):
        inputs = _inputs(cell)
        outputs = [cell.shapes[i] for i in cell.outputs]
        following = cells[(index + 1) % len(cells)]
        if inputs[1:] != outputs or outputs[0] != _inputs(following)[0]:
            raise ConfigError(
                f"layer {index} of a language model gives {', '.join(map(str, outputs))} of "
                f"{', '.join(map(str, inputs))}",
                "A cell takes x and its states and gives its states; the first is the next "
                "layer's x, and the last layer's is as wide as the embedding.",
            )
