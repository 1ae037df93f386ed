"""Cascade-correlation (Fahlman and Lebiere, 1990): growth from nothing, unit by unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascout.errors import ConfigError
from nascout.growth.stop import stop_gradient

__all__ = ["Cascade", "CascadeTraining", "covariance", "grow_cascade", "two_spirals"]


def two_spirals(turns: int = 3, per_turn: int = 32) -> tuple[Tensor, Tensor]:
    """Two spirals that coil around each other, the benchmark of Lang and Witbrock (1988).

    Returns:
        points (n, 2) within a circle of radius 6.5, and their class, 0.0 or 1.0, (n, 1); n is 194
        as published.
    """
    step = torch.arange(turns * per_turn + 1, dtype=torch.float32)
    angle, radius = step * 2 * torch.pi / per_turn, 6.5 * (1 - step / (len(step) + 7))
    spiral = torch.stack([radius * angle.sin(), radius * angle.cos()], 1)
    points = torch.cat([spiral, -spiral])
    return points, torch.cat([torch.ones(len(step), 1), torch.zeros(len(step), 1)])


class Cascade(nn.Module):
    """Outputs that are linear in the inputs and in units, each of which reads all before it.

    Without a unit this is logistic regression. Units are frozen: ``units`` are buffers, and only
    the outputs' weights are parameters.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.output = nn.Parameter(torch.zeros(outputs, inputs + 1))

    @property
    def units(self) -> tuple[Tensor, ...]:
        """The weights of every unit, first installed first."""
        return tuple(self.buffers())

    def features(self, x: Tensor) -> Tensor:
        """One, the inputs, and the units: (n, 1 + inputs + units), without gradients."""
        seen = torch.cat([x.new_ones(len(x), 1), x], 1)
        for weights in self.units:
            seen = torch.cat([seen, (seen @ weights).tanh()[:, None]], 1)
        return stop_gradient(seen)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, outputs) for x: (n, inputs)."""
        return self.features(x) @ self.output.T

    def install(self, weights: Tensor) -> None:
        """Freeze a unit of these weights, (1 + inputs + units,); the outputs do not read it yet."""
        self.register_buffer(f"unit{len(self.units)}", stop_gradient(weights).clone())
        grown = torch.cat([self.output.detach(), self.output.new_zeros(len(self.output), 1)], 1)
        self.output = nn.Parameter(grown)


@dataclass(frozen=True)
class CascadeTraining:
    """How long outputs and candidates are trained.

    Attributes:
        pool: candidates that are trained at once, of which the best is installed.
        epochs: of a phase at most, by Rprop on the whole batch.
        patience: epochs after which a phase ends if its best value has not improved by
            ``improvement``, relatively.
        improvement: see there.
        margin: a point is right if its probability is this close to its class.
    """

    pool: int = 8
    epochs: int = 400
    patience: int = 30
    improvement: float = 0.005
    margin: float = 0.4


def covariance(values: Tensor, residual: Tensor) -> Tensor:
    """S = Σ_o |Σ_p (V_p - V̄)(E_po - Ē_o)| of every candidate: (pool,).

    Args:
        values: V, (n, pool).
        residual: E, (n, outputs).

    >>> covariance(torch.tensor([[1.0], [-1.0]]), torch.tensor([[2.0, -3.0], [0.0, 3.0]]))
    tensor([8.])
    """
    centred = residual - residual.mean(0)
    return ((values - values.mean(0)).T @ centred).abs().sum(1)


def grow_cascade(
    x: Tensor,
    y: Tensor,
    *,
    units: int = 50,
    training: CascadeTraining = CascadeTraining(),
    seed: int = 0,
) -> Cascade:
    """Grow a network until every point is right, or has that many units.

    In turn, the outputs are trained, and candidates that read everything so far are trained to
    vary with the residual error, the gradient of the loss at the outputs. The best is frozen.
    This is the smallest case of growth as Petridish does it: the network does not notice the
    candidates, and they receive the gradient at their target.

    Deviations: cross-entropy instead of a squared error, so the residual is p - y; Rprop instead
    of Quickprop; the hyperbolic tangent in place of the symmetric sigmoid, which is half of it.

    Args:
        x: (n, inputs).
        y: 0.0 or 1.0, (n, outputs).
        units: at most.
        training: how to train.
        seed: of the candidates' first weights.

    Raises:
        ConfigError: shapes or classes that do not fit.

    >>> x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> net = grow_cascade(x, torch.tensor([[0.0], [1.0], [1.0], [0.0]]))
    >>> len(net.units), (net(x) > 0)[:, 0].tolist()
    (1, [False, True, True, False])
    """
    if x.dim() != 2 or y.dim() != 2 or len(x) != len(y) or not bool(((y == 0) | (y == 1)).all()):
        raise ConfigError(
            f"inputs {tuple(x.shape)} with classes {tuple(y.shape)}",
            "Give (n, inputs), and zeros and ones of shape (n, outputs).",
        )
    net = Cascade(x.shape[1], y.shape[1])
    generator = torch.Generator().manual_seed(seed)
    while True:
        features = net.features(x)
        output = net.output  # of now: the closures below must not see a later one

        def loss(features: Tensor = features, output: Tensor = output) -> Tensor:
            return F.binary_cross_entropy_with_logits(features @ output.T, y)

        _descend([output], loss, training)
        residual = stop_gradient(net(x).sigmoid() - y)
        if bool((residual.abs() < training.margin).all()) or len(net.units) == units:
            return net
        net.install(_best_candidate(features, residual, training, generator))


def _best_candidate(
    features: Tensor, residual: Tensor, training: CascadeTraining, generator: torch.Generator
) -> Tensor:
    drawn = torch.rand(features.shape[1], training.pool, generator=generator) * 2 - 1
    weights = nn.Parameter(drawn.to(features))
    _descend([weights], lambda: -covariance((features @ weights).tanh(), residual).sum(), training)
    best = covariance((features @ weights).tanh(), residual).argmax()
    return weights[:, best]


def _descend(
    parameters: Sequence[nn.Parameter], loss: Callable[[], Tensor], training: CascadeTraining
) -> None:
    optimizer = torch.optim.Rprop(parameters, lr=0.05, step_sizes=(1e-6, 5.0))
    best, waited = float("inf"), 0
    for _ in range(training.epochs):
        optimizer.zero_grad()
        value = loss()
        torch.autograd.backward(value)
        optimizer.step()
        if value.item() < best - training.improvement * abs(best if best < float("inf") else 0):
            best, waited = value.item(), 0
        elif (waited := waited + 1) >= training.patience:
            return
