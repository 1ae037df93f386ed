"""The Zen-score: how far random weights carry a small change of the input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nascout.errors import UnsupportedNetwork
from nascout.graph import Graph
from nascout.graph.ops import AvgPool, BatchNorm, Conv2d, GlobalAvgPool, Linear
from nascout.network.draw_weights import normal_weight
from nascout.network.population import Population
from nascout.score.card import score
from nascout.score.example_inputs import made_inputs
from nascout.score.features import features
from nascout.score.inputs import Inputs, each, tensors
from nascout.score.population import alike, chunks
from nascout.score.untouched import untouched
from nascout.score.weights import weights

__all__ = ["zen"]

REPEATS: Final = 32
BATCH: Final = 16
GAMMA: Final = 0.01
MOMENTUM: Final = 0.1
DRAWN: Final = (Conv2d, Linear)


@alike
def zens(
    graphs: Sequence[Graph],
    x: Inputs | None,
    y: Tensor | None = None,
    *,
    seed: int,
    memory: int,
) -> Iterator[float | UnsupportedNetwork]:
    """:func:`zen` of many graphs; see :class:`nascout.score.card.AtOnce`.

    Weights depend on a layer's name, so what networks have in common is computed once. Networks
    with weights that are not those of dense convolutions and matrices are left to :func:`zen`.
    """
    like = torch.empty(0) if x is None else tensors(x)[0]
    cuts = [_up_to_the_features(graph) for graph in graphs]
    known = [cut for cut in cuts if cut is not None]
    values = _zens(known, like, memory)
    for cut in cuts:
        unknown = UnsupportedNetwork(
            "other kinds of weights, or no features", "Score it by itself."
        )
        yield unknown if cut is None else next(values)


def _up_to_the_features(graph: Graph) -> Graph | None:
    """The graph of the features, and of what normalisations read before them, used or not."""
    learned = {type(node.op) for node, call in zip(graph, graph.calls, strict=True) if call.cost[0]}
    pools = [i for i, node in enumerate(graph) if _is_global_pooling(graph, i)]
    matrices = [i for i, node in enumerate(graph) if isinstance(node.op, Linear)]
    if not learned <= {*DRAWN, BatchNorm} or not (pools or matrices):
        return None
    last = (pools or matrices)[-1]
    alone = Graph(graph.nodes[:last], graph.nodes[last].inputs)
    unused = [i for i in _normalised(alone) if not alone.live[i]]
    return Graph(alone.nodes, (*alone.outputs, *unused))


def _normalised(graph: Graph) -> list[int]:
    """What every batch normalisation reads."""
    return [node.inputs[0] for node in graph if isinstance(node.op, BatchNorm)]


def _is_global_pooling(graph: Graph, index: int) -> bool:
    _, *sides = graph.shapes[index]
    return isinstance(graph.nodes[index].op, GlobalAvgPool | AvgPool) and prod(sides) == 1


def _zens(graphs: Sequence[Graph], like: Tensor, memory: int) -> Iterator[float]:
    """One value per graph, whose first output is its features."""
    shapes = [graphs[0].shapes[index] for index in graphs[0].inputs] if graphs else []
    sizes = [like.new_empty(BATCH, *shape) for shape in shapes]
    device, dtype = like.device, like.dtype
    # Two passes at a time.
    for part, merged in chunks(Population(0, device, dtype), graphs, sizes, memory // 2):
        normalised = [
            [place[i] for i in _normalised(graph)]
            for graph, place in zip(part, merged.places, strict=True)
        ]
        only = replace(merged, outputs=tuple(outputs[:1] for outputs in merged.outputs))
        running = {i: like.new_ones(merged.slots[i].shape[0]) for i in set().union(*normalised)}
        readers = {i: partial(_run_on, variance) for i, variance in running.items()}
        values = [0.0] * len(part)
        generator = torch.Generator().manual_seed(0)
        for repeat in range(REPEATS):
            population = Population(0, device, dtype, initialise=partial(_draw_layer, 0, repeat))
            first = [_normal(generator, t) for t in sizes]
            second = [t + GAMMA * _normal(generator, t) for t in first]
            with torch.no_grad():
                passes = (population(only, batch, readers) for batch in (first, second))
                for i, ((a,), (b,)) in enumerate(zip(*passes, strict=True)):
                    values[i] += _value(a, b, [running[slot] for slot in normalised[i]])
        yield from (value / REPEATS for value in values)


def _run_on(variance: Tensor, z: Tensor) -> None:
    """Have the running variance see a batch."""
    torch.batch_norm_update_stats(z, torch.zeros_like(variance), variance, MOMENTUM)


@score(
    "zen",
    paper="arXiv:2102.01063",
    equation="algorithm 1",
    needs="network",
    applies="networks with floating-point inputs; the features are what enters the last global "
    "pooling, or else the last linear layer",
    deviations="from the released code: residual links stay; batch normalisations of any dimension "
    "count, if they run before the features; their statistics start fresh",
    batch=BATCH,
    at_once=zens,
)
def zen(
    net: nn.Module,
    x: Inputs | None = None,
    *,
    repeats: int = REPEATS,
    batch: int = BATCH,
    gamma: float = GAMMA,
    seed: int = 0,
    inputs: tuple[Inputs, Inputs] | None = None,
) -> float:
    """log E |f(x) - f(x + gamma e)| plus the log standard deviations of all batch normalisations.

    f is the feature map before the global pooling; the distance is summed over the map and
    averaged over the batch. Convolutions and matrices, x and e are standard normal, biases zero,
    normalisations one and zero. In train mode, where batch normalisation takes the scale out of f;
    the second sum, of log sqrt(mean over channels of the running variance), puts it back. After
    the two passes the running variance is .81 + .09 v + .10 w, with v and w the variances of the
    two; it runs on over the repeats, as in the authors' code. No data, and no loss.

    Args:
        net: any network; it is left as found.
        x: (m, ...) a batch that only tells the sizes; a network built by nascout does without.
        repeats: how many draws of weights and inputs the score is the mean of.
        batch: how many samples are drawn.
        gamma: the size of the change.
        seed: of all draws. A weight's depends on its name, so that of one layer is the same in
            every network; inputs come from a generator of their own.
        inputs: x and e, drawn by the caller; then the weights are those of the network, too,
            and there is one repeat.

    Returns:
        The score. For a network without batch normalisation the second sum is empty.

    Raises:
        UnsupportedNetwork: a foreign module without sizes, integer inputs, neither a pooling nor
            a linear layer, or batch normalisations without running statistics.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1))
        >>> x = torch.zeros(1, 3, 8, 8)
        >>> zen(net, x, repeats=2) == zen(net, x, repeats=2)
        True
    """
    generator = torch.Generator().manual_seed(seed)
    sizes = inputs[0] if inputs else made_inputs(net, x, lambda sample: sample)
    if not all(t.is_floating_point() for t in tensors(sizes)):
        raise UnsupportedNetwork(
            "zen changes its inputs a little, and integers, such as tokens, do not",
            "Score the part of the network behind the embedding, on embedded inputs.",
        )

    def drawn() -> Inputs:
        return each(lambda t: _normal(generator, t.new_empty(batch, *t.shape[1:])), sizes)

    with untouched(net), torch.no_grad():
        net.train()
        _reset_statistics(net)
        if inputs:
            return _once(net, *inputs, gamma)
        values = []
        for repeat in range(repeats):
            _draw_weights(net, seed, repeat)
            values.append(_once(net, drawn(), drawn(), gamma))
    return sum(values) / repeats


def _reset_statistics(net: nn.Module) -> None:
    """Give every batch normalisation the statistics it is made with."""
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            fresh = {"running_mean": 0, "running_var": 1, "num_batches_tracked": 0}
            for name, value in fresh.items():
                if getattr(module, name) is not None:
                    # Through .data: an autograd graph that the caller holds stays valid.
                    getattr(module, name).data.fill_(value)


def _draw_weights(net: nn.Module, seed: int, repeat: int) -> None:
    """Standard normal weights; biases zero; scales of normalisations one. Through .data again."""
    matrices = weights(net)
    for name, parameter in net.named_parameters():
        last = name.rpartition(".")[2]
        if "bias" in last:
            parameter.data.zero_()
        elif name in matrices:
            _draw_weight(parameter, name, seed, repeat)
        elif parameter.dim() == 1 and last == "weight":
            parameter.data.fill_(1)


def _draw_layer(seed: int, repeat: int, module: nn.Module, key: str) -> None:
    """The same for a convolution or matrix of a graph."""
    scope = key.replace(".", "_").replace("/", ".")
    for name, parameter in module.named_parameters():
        if parameter.dim() > 1:
            _draw_weight(parameter, f"{scope}.{name}", seed, repeat)
        elif "bias" in name:
            parameter.data.zero_()


def _draw_weight(parameter: nn.Parameter, name: str, seed: int, repeat: int) -> None:
    parameter.data.copy_(normal_weight(seed, f"{repeat}/{name}", tuple(parameter.shape)))


def _normal(generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.randn(like.shape, generator=generator).to(like)


def _once(net: nn.Module, x: Inputs, e: Inputs, gamma: float) -> float:
    """The score of the weights as they are."""
    changes = iter(tensors(e))
    first = features(net, x)
    second = features(net, each(lambda t: t + gamma * next(changes), x))
    return _value(first.map, second.map, second.running_variances)


def _value(first: Tensor, second: Tensor, variances: Iterable[Tensor]) -> float:
    """Of the features of both inputs, and the running variances after them."""
    distance = (first - second).abs().flatten(1).sum(1).mean()
    return float(distance.log()) + sum(float(v.mean().sqrt().log()) for v in variances)
