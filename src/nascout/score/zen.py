"""The Zen-score: how far random weights carry a small change of the input."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nascout.errors import UnsupportedNetwork
from nascout.score.card import score
from nascout.score.example_inputs import made_inputs
from nascout.score.features import Features, features
from nascout.score.inputs import Inputs, each, tensors
from nascout.score.untouched import untouched
from nascout.score.weights import weights

__all__ = ["zen"]


@score(
    "zen",
    paper="arXiv:2102.01063",
    equation="algorithm 1",
    needs="network",
    applies="networks with floating-point inputs; the features are what enters the last global "
    "pooling, or else the last linear layer",
    deviations="from the released code: residual links stay; batch normalisations of any dimension "
    "count, if they run before the features; their statistics start fresh",
    batch=16,
)
def zen(
    net: nn.Module,
    x: Inputs | None = None,
    *,
    repeats: int = 32,
    batch: int = 16,
    gamma: float = 0.01,
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
        seed: of all draws, which come from a generator of their own.
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

    def normal(shape: tuple[int, ...], like: Tensor) -> Tensor:
        return torch.randn(shape, generator=generator).to(like)

    def drawn() -> Inputs:
        return each(lambda t: normal((batch, *t.shape[1:]), t), sizes)

    with untouched(net), torch.no_grad():
        net.train()
        _reset_statistics(net)
        if inputs:
            return _once(net, *inputs, gamma)
        values = []
        for _ in range(repeats):
            _draw_weights(net, normal)
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


def _draw_weights(net: nn.Module, normal: Callable[[tuple[int, ...], Tensor], Tensor]) -> None:
    """Standard normal weights; biases zero; scales of normalisations one. Through .data again."""
    matrices = weights(net)
    for name, parameter in net.named_parameters():
        last = name.rpartition(".")[2]
        if "bias" in last:
            parameter.data.zero_()
        elif name in matrices:
            parameter.data.copy_(normal(tuple(parameter.shape), parameter))
        elif parameter.dim() == 1 and last == "weight":
            parameter.data.fill_(1)


def _once(net: nn.Module, x: Inputs, e: Inputs, gamma: float) -> float:
    """The score of the weights as they are."""
    changes = iter(tensors(e))
    first = features(net, x)
    second = features(net, each(lambda t: t + gamma * next(changes), x))
    distance = (first.map - second.map).abs().flatten(1).sum(1).mean()
    return float(distance.log()) + _log_deviations(second)


def _log_deviations(seen: Features) -> float:
    return sum(float(v.mean().sqrt().log()) for v in seen.running_variances)
