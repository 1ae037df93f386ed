"""NASGraph: measures of the graph of a network's channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Literal

from torch import Tensor, nn

from nascout.errors import ConfigError, UnsupportedNetwork
from nascout.graph import Graph
from nascout.network.module import Network
from nascout.score import graph_measures
from nascout.score.card import score
from nascout.score.inputs import Inputs
from nascout.score.unit_graph import UnitGraph, connect
from nascout.score.unit_graph_ops import graph_steps
from nascout.score.unit_mask import Mask
from nascout.score.unit_population import unit_graphs
from nascout.score.unit_response import normal_weight, own_weight, response, simulated_response
from nascout.score.unit_steps import Indices, Layer
from nascout.score.unit_trace import traced_steps
from nascout.space import Architecture

__all__ = [
    "nasgraph",
    "nasgraph_density",
    "nasgraph_edges",
    "nasgraph_entropy",
    "nasgraph_gini",
    "nasgraph_resilience",
    "nasgraph_wedges",
    "surrogate",
    "unit_graph",
]

Measure = Callable[[Indices], float]
Weights = Literal["normal", "own"]


def unit_graph(
    net: nn.Module,
    x: Inputs | None = None,
    *,
    weights: Weights = "normal",
    seed: int = 0,
    simulate: bool = False,
) -> UnitGraph:
    """The channels of a network, and which of them excite which.

    Every convolution, linear layer, pooling, skip connection, "none" and input is a layer of
    units, one per channel of its output. Ones in a channel, zeros elsewhere, go through the layer
    and a ReLU; where the sum over space is not zero, an edge leads from every unit that the
    channel holds to the unit of the output. Pooling and skip connections join equal channels,
    "none" nothing. A sum is read as all of its terms, a product too; concatenation, flattening
    and shuffling move channels.

    Normalisations, dropout and biases are removed. A ReLU follows every layer with weights and
    stands nowhere else, whichever activations the network has and wherever they stand: an image
    of ones is as it is before a ReLU. The classifier, a linear layer that gives an output, is
    left out, and every output is a layer that keeps the channels. A pooling that only one layer
    reads is part of it.

    Args:
        net: a network built from a graph, read from the graph; or any module, followed through
            one forward pass in eval mode. There ``nn.Identity`` and ``x + f(x)`` are no layers:
            a module that does nothing cannot be seen. It is left as found.
        x: a batch of which only the size counts; not needed for a network built from a graph.
        weights: ``"normal"`` draws standard normal ones, as the paper; ``"own"`` takes the
            network's.
        seed: of the normal weights, a function of (seed, layer's name, shape).
        simulate: one forward pass per layer and channel, as in the paper, in place of the closed
            form. Slow, and the same edges.

    Raises:
        UnsupportedNetwork: a function without a meaning here, such as attention; or no ``x``.
        ConfigError: other ``weights``.

    Deviation from the authors' code: it has a description by hand of every benchmark's layers,
    where this reads any network.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Conv2d(2, 1, 1, bias=False))
        >>> net[0].weight.data, net[2].weight.data = torch.ones(2, 1, 1, 1), torch.ones(1, 2, 1, 1)
        >>> graph = unit_graph(net, torch.zeros(1, 1, 4, 4), weights="own")
        >>> graph.nodes, graph.edges  # the input, two units, one unit, the output
        (5, 5)
    """
    if weights not in ("normal", "own"):
        raise ConfigError(f"weights={weights!r}", "Use 'normal' or 'own'.")
    own: Mapping[str, Any]
    if isinstance(net, Network):
        steps, outputs = graph_steps(net.graph)
        modules = zip(net.graph, net.node_modules(), strict=True)
        own = {f"{node.key}.weight": getattr(module, "weight", None) for node, module in modules}
    elif x is None:
        raise UnsupportedNetwork(
            f"the unit graph of a {type(net).__name__} depends on the size of its input",
            "Pass a batch x; one sample is enough.",
        )
    else:
        steps, outputs, own = traced_steps(net, x)
    respond = simulated_response if simulate else response

    def masked(layer: Layer) -> Mask:
        given = weights == "own"
        return respond(layer, own_weight(own[layer.name]) if given else normal_weight(layer, seed))

    return connect(steps, outputs, masked)


def surrogate(architecture: Architecture, channels: int = 16, cells: int = 1) -> Architecture:
    """The same decisions in a smaller skeleton: the paper's NASGraph(h, c, m).

    Args:
        architecture: of a space whose skeleton has ``channels`` and ``cells``.
        channels: h, of the stem; 16 in the authors' scripts.
        cells: c, per stage; 1 there. The number of stages, m, is the space's: 3 there.

    Raises:
        ConfigError: a space without these parameters.

    Example:
        >>> from nascout.space.nasbench201 import EXAMPLE, NasBench201
        >>> surrogate(NasBench201().parse(EXAMPLE)).space.cells
        1
    """
    space = architecture.space
    if not {"channels", "cells"} <= {field.name for field in fields(space)}:  # type: ignore[arg-type]
        raise ConfigError(
            f"the space {space.name} has no skeleton of cells with channels",
            "Score its architectures as they are.",
        )
    smaller = replace(space, channels=channels, cells=cells)  # type: ignore[type-var]
    return Architecture(smaller, architecture.values)


def _card(measure: Measure, higher_is_better: bool) -> Callable[[Any], Any]:
    """Register the score below, whose value is ``measure`` of the unit graph."""

    def register(function: Callable[..., float]) -> Callable[..., float]:
        def reference(net: nn.Module, x: Inputs | None = None) -> float:
            return measure(unit_graph(net, x, simulate=True).degrees)

        def at_once(
            graphs: Sequence[Graph],
            x: Inputs | None,
            y: Tensor | None = None,
            *,
            seed: int,
            memory: int,
        ) -> Iterator[float | UnsupportedNetwork]:
            # The networks' own weights, which the seed decides, do not matter.
            for found in unit_graphs(graphs, memory):
                yield found if isinstance(found, UnsupportedNetwork) else measure(found.degrees)

        card = score(
            function.__name__,
            paper="arXiv:2405.01306",
            needs="network",
            higher_is_better=higher_is_better,
            applies="networks of convolutions and linear layers; no attention, no LSTM",
            deviations="weights depend on the layer's name, not on the order of construction",
            reference=reference,
            at_once=at_once,
        )
        made: Callable[..., float] = card(function)
        return made

    return register


@_card(graph_measures.average_degree, higher_is_better=True)
def nasgraph(
    net: nn.Module, x: Inputs | None = None, *, weights: Weights = "normal", seed: int = 0
) -> float:
    """Average degree of the unit graph: edges in and out per node, 2 · edges / nodes.

    Args:
        net: any network of convolutions and linear layers, see :func:`unit_graph`. The paper
            scores a smaller skeleton with the same cell, see :func:`surrogate`.
        x: a batch that only tells the input's size; a network built from a graph needs none.
        weights: ``"normal"`` as in the paper, or the network's ``"own"``.
        seed: of the normal weights.

    Higher is better, says the paper. Its scripts draw weights in the order of construction; here
    they depend on the layer's name, so cells that share a layer share its weights.

    Raises:
        UnsupportedNetwork: a network without a unit graph.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2))
        >>> nn.init.ones_(net[0].weight).shape
        torch.Size([1, 1, 1, 1])
        >>> round(nasgraph(net, torch.zeros(1, 1, 2, 2), weights="own"), 3)  # 3 units in a row
        1.333
    """
    return graph_measures.average_degree(unit_graph(net, x, weights=weights, seed=seed).degrees)


@_card(graph_measures.edges, higher_is_better=True)
def nasgraph_edges(
    net: nn.Module, x: Inputs | None = None, *, weights: Weights = "normal", seed: int = 0
) -> float:
    """Number of edges of the unit graph.

    Arguments as for :func:`nasgraph`. One of the measures that the paper compares with it;
    "higher is better" is the sign of its measured rank correlation on NAS-Bench-201.
    """
    return graph_measures.edges(unit_graph(net, x, weights=weights, seed=seed).degrees)


@_card(graph_measures.density, higher_is_better=True)
def nasgraph_density(
    net: nn.Module, x: Inputs | None = None, *, weights: Weights = "normal", seed: int = 0
) -> float:
    """Density of the unit graph: edges over ordered pairs of nodes.

    Arguments as for :func:`nasgraph`. One of the measures that the paper compares with it;
    "higher is better" is the sign of its measured rank correlation on NAS-Bench-201.
    """
    return graph_measures.density(unit_graph(net, x, weights=weights, seed=seed).degrees)


@_card(graph_measures.resilience, higher_is_better=True)
def nasgraph_resilience(
    net: nn.Module, x: Inputs | None = None, *, weights: Weights = "normal", seed: int = 0
) -> float:
    """Resilience of the unit graph: mean squared degree over mean degree.

    Arguments as for :func:`nasgraph`. One of the measures that the paper compares with it;
    "higher is better" is the sign of its measured rank correlation on NAS-Bench-201.
    """
    return graph_measures.resilience(unit_graph(net, x, weights=weights, seed=seed).degrees)


@_card(graph_measures.entropy, higher_is_better=True)
def nasgraph_entropy(
    net: nn.Module, x: Inputs | None = None, *, weights: Weights = "normal", seed: int = 0
) -> float:
    """Entropy of the nodes' shares of the degrees, over the number of nodes.

    Arguments as for :func:`nasgraph`. One of the measures that the paper compares with it;
    "higher is better" is the sign of its measured rank correlation on NAS-Bench-201.
    """
    return graph_measures.entropy(unit_graph(net, x, weights=weights, seed=seed).degrees)


@_card(graph_measures.wedges, higher_is_better=True)
def nasgraph_wedges(
    net: nn.Module, x: Inputs | None = None, *, weights: Weights = "normal", seed: int = 0
) -> float:
    """Number of wedges of the unit graph: pairs of edges that share a node.

    Arguments as for :func:`nasgraph`. One of the measures that the paper compares with it;
    "higher is better" is the sign of its measured rank correlation on NAS-Bench-201.
    """
    return graph_measures.wedges(unit_graph(net, x, weights=weights, seed=seed).degrees)


@_card(graph_measures.gini, higher_is_better=False)
def nasgraph_gini(
    net: nn.Module, x: Inputs | None = None, *, weights: Weights = "normal", seed: int = 0
) -> float:
    """Gini coefficient of the degrees of the unit graph.

    Arguments as for :func:`nasgraph`. One of the measures that the paper compares with it;
    "lower is better" is the sign of its measured rank correlation on NAS-Bench-201.
    """
    return graph_measures.gini(unit_graph(net, x, weights=weights, seed=seed).degrees)
