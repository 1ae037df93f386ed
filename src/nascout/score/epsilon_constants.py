"""Which two constants the epsilon metric should use on a new space."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from nascout.errors import ConfigError, UnsupportedNetwork
from nascout.network import build
from nascout.score.epsilon import epsilon
from nascout.score.inputs import Inputs, tensors
from nascout.space import Architecture, Space

__all__ = ["ChosenConstants", "ConstantsStep", "choose_constants"]


@dataclass(frozen=True)
class ConstantsStep:
    """A pair that was tried, and the shares of networks whose output is constant or not finite.

    ``undefined`` is the share at either constant, whose score is NaN; ``at_low`` and ``at_high``
    are those at each.
    """

    constants: tuple[float, float]
    undefined: float
    at_low: float
    at_high: float


@dataclass(frozen=True)
class ChosenConstants:
    """The constants, and every pair tried, the chosen one last."""

    constants: tuple[float, float]
    steps: tuple[ConstantsStep, ...]


def choose_constants(
    networks: Space | Sequence[nn.Module | Architecture],
    x: Inputs,
    *,
    start: tuple[float, float] = (1e-7, 1.0),
    limit: float = 0.1,
    count: int = 100,
    seed: int = 0,
    metric: Callable[..., float] = epsilon,
) -> ChosenConstants:
    """Shrink the range of the two constants until the metric is defined nearly everywhere.

    The paper (arXiv:2302.04406) starts at (1e-7, 1) and shrinks until fewer than 10 % of 100
    random architectures give NaN. It does not say how; here, one constant moves by a factor of
    ten at a time: the large one goes down if it fails on more networks than the small one, and
    otherwise the small one goes up.

    Args:
        networks: a space, of which ``count`` architectures are drawn with ``seed``, or a list of
            networks or architectures, which are all used.
        x: (n, ...) a batch, as for the metric.
        start: the widest pair.
        limit: the share of undefined scores to stay below.
        metric: called as ``metric(net, x, constants=...)``: ``epsilon``, ``epsilon_rnn``, or one
            of them with options, as ``functools.partial(epsilon, train=False)``.

    Returns:
        The constants, to be given to ``epsilon(net, x, constants=...)``, and the shares at each
        step.

    Raises:
        ConfigError: no network, or constants that are not two growing positive numbers.
        UnsupportedNetwork: no pair is defined on enough networks; says what was seen.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
        >>> choose_constants([net], torch.eye(3) * torch.arange(3), start=(1e-30, 1.0)).constants
        (1e-22, 1.0)
    """
    if isinstance(networks, Space):
        rng = random.Random(seed)
        networks = [networks.sample(rng) for _ in range(count)]
    low, high = start
    if not networks or not 0 < low < high:
        raise ConfigError(
            f"{len(networks)} networks and the constants {start}",
            "Give at least one network, and two growing positive constants.",
        )
    undefined = functools.cache(functools.partial(_undefined, networks, x, metric))
    steps: list[ConstantsStep] = []
    while low < high:
        at_low, at_high = undefined(low), undefined(high)
        shares = (len(at) / len(networks) for at in (at_low | at_high, at_low, at_high))
        steps.append(ConstantsStep((low, high), *shares))
        if steps[-1].undefined < limit:
            return ChosenConstants((low, high), tuple(steps))
        if len(at_high) > len(at_low):
            high = _decimal(high / 10)
        else:
            low = _decimal(low * 10)
    least = min(steps, key=lambda step: step.undefined)
    raise UnsupportedNetwork(
        f"no two constants within {start} keep the undefined scores below {limit:.0%}: "
        f"{least.constants} leave {least.undefined:.0%}",
        "Compute in float64, give a larger batch or limit, or choose another score.",
    )


def _undefined(
    networks: Sequence[nn.Module | Architecture],
    x: Inputs,
    metric: Callable[..., float],
    constant: float,
) -> frozenset[int]:
    """The networks whose output at ``constant`` cannot be scaled: the metric of it with itself."""
    first = tensors(x)[0]
    dtype = first.dtype if first.is_floating_point() else torch.float32
    found = set()
    for index, one in enumerate(networks):
        # Built when needed: a hundred networks at once may not fit.
        net = one if isinstance(one, nn.Module) else build(one, 0, first.device, dtype)
        if math.isnan(metric(net, x, constants=(constant, constant))):
            found.add(index)
    return frozenset(found)


def _decimal(value: float) -> float:
    """Without the last digits, which repeated products of ten leave: 1e-06, not 9.99e-07."""
    return float(f"{value:.6g}")
