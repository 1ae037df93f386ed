"""ZiCo: how steady the gradient of every weight is from batch to batch."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from nascout.errors import ConfigError
from nascout.graph import Graph
from nascout.score.card import score
from nascout.score.gradients import class_loss, differentiable, weight_gradients
from nascout.score.graph_gradients import GraphGradients, of_each
from nascout.score.inputs import Inputs, each, samples

__all__ = ["zico"]

BATCHES = 2


def _of_graph(run: GraphGradients, graph: Graph, x: Sequence[Tensor], y: Tensor) -> float:
    """The score of one graph from two batches."""
    _check(len(y), BATCHES)
    inputs = zip(*(t.tensor_split(BATCHES) for t in x), strict=True)
    parts = zip(inputs, y.tensor_split(BATCHES), strict=True)
    columns = zip(*(run.by_weights(graph, *part) for part in parts), strict=True)
    return _steadiness(torch.stack([slope for _, slope in column]) for column in columns)


@score(
    "zico",
    paper="arXiv:2301.11300",
    needs="labels",
    gradients=True,
    applies="classifiers with weights",
    deviations="NaN, not 0, where no gradient differs between the batches",
    batch=256,
    invariances=("function form",),
    at_once=of_each(_of_graph),
)
def zico(net: nn.Module, x: Inputs, y: Tensor, *, batches: int = BATCHES) -> float:
    """Sum over tensors of log Σ mean|g| / std(g): moments over batches, Σ over a tensor's weights.

    g is a weight's gradient of a batch's mean cross-entropy. The mean is of its absolute value; the
    standard deviation is that of g with its sign and divides by the number of batches, not by one
    less, as in the authors' code. A weight whose gradient is the same in every batch is left out,
    and so is a tensor of such weights. The network runs in train mode (batch statistics).

    A weight whose gradients are almost equal can outweigh the rest of its tensor, and in float32
    their difference is mostly rounding: on NAS-Bench-201, float64 moves the value by up to 0.7 %.

    Args:
        net: a classifier; it is left as found.
        x: (n, ...) all batches together, one after the other; the paper uses two of 128 images.
        y: (n,) class indices.
        batches: into how many equal parts x and y are split; if that leaves a rest, the first
            parts have one sample more.

    Returns:
        The score; NaN where no gradient differs between the batches.

    Raises:
        UnsupportedNetwork: no logits for these labels, or logits that depend on no weight.
        ConfigError: fewer than two batches, or fewer samples than batches.

    Example: gradients (-.5, .5) and (-1, 1), so .75 / .25 for both weights.
        >>> net = nn.Linear(1, 2, bias=False)
        >>> net.weight.data = torch.tensor([[3.0], [3.0]])
        >>> math.exp(zico(net, torch.tensor([[1.0], [2.0]]), torch.tensor([0, 0])))
        6.0
    """
    _check(samples(x), batches)
    gradients: dict[nn.Parameter, list[Tensor]] = defaultdict(list)
    with differentiable(net):
        for part in range(batches):
            loss = class_loss(net, _part(x, part, batches), y.tensor_split(batches)[part])
            for weight, gradient in weight_gradients(net, loss):
                gradients[weight].append(gradient)
    return _steadiness(torch.stack(found) for found in gradients.values())


def _check(n: int, batches: int) -> None:
    if batches < 2 or n < batches:
        raise ConfigError(
            f"zico compares batches, and {n} sample(s) make no {batches} of them",
            "Pass at least two batches' samples in one tensor.",
        )


def _part(x: Inputs, part: int, batches: int) -> Inputs:
    return each(lambda tensor: tensor.tensor_split(batches)[part], x)


def _steadiness(stacks: Iterable[Tensor]) -> float:
    """The score from every tensor's gradients (batches, ...)."""
    logs = [_log_steadiness(s) for s in map(Tensor.double, stacks) if (s != s[0]).any()]
    return sum(logs) if logs else math.nan


def _log_steadiness(gradients: Tensor) -> float:
    """log Σ mean|g| / std(g) over the weights whose gradient differs; gradients: (batches, ...)."""
    gradients = gradients[:, (gradients != gradients[0]).any(0)]
    return float((gradients.abs().mean(0) / gradients.std(0, correction=0)).sum().log())
