"""ProxylessNAS's training steps as the released code takes them, in plain modules.

Every block holds all candidates, a vector of alphas and a vector of binary gates. A step of the
weights runs the drawn candidate. A step of the alphas runs both of a pair, the idle one detached
(``two``), or the active one alone, with the gates' gradients computed by running all others in
the backward pass (``full``).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Choices", "alpha_step", "network", "weight_step"]

CANDIDATES = ((3, 3), (3, 6), (5, 3), (5, 6), (7, 3), (7, 6))  # kernel and expansion


def conv(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution without bias and its normalisation."""
    same = kernel // 2
    filters = nn.Conv2d(c_in, c_out, kernel, stride, same, groups=groups, bias=False)
    return [filters, nn.BatchNorm2d(c_out)]


class Residual(nn.Module):
    """An inverted residual block."""

    def __init__(self, c_in: int, c_out: int, kernel: int, expansion: int, stride: int) -> None:
        super().__init__()
        inside = c_in * expansion
        widen = [*conv(c_in, inside, 1), nn.ReLU6()] if expansion > 1 else []
        filters = [*conv(inside, inside, kernel, stride, inside), nn.ReLU6()]
        self.body = nn.Sequential(*widen, *filters, *conv(inside, c_out, 1))
        self.adds = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """Maps of one shape or, at a stride, of half the size."""
        y = self.body(x)
        return y + x if self.adds else y


class AllGates(torch.autograd.Function):
    """The active candidate forward; backward, the product of the slope with every candidate."""

    @staticmethod
    def forward(ctx, x, gates, choices):
        ctx.choices, ctx.x = choices, x.detach().requires_grad_()
        with torch.enable_grad():
            ctx.y = choices.candidates[choices.active](ctx.x)
        return ctx.y.detach()

    @staticmethod
    def backward(ctx, slope):
        (by_x,) = torch.autograd.grad(ctx.y, ctx.x, slope)
        with torch.no_grad():
            ends = [
                ctx.y if place == ctx.choices.active else candidate(ctx.x)
                for place, candidate in enumerate(ctx.choices.candidates)
            ]
            by_gates = torch.stack([(end * slope).sum() for end in ends])
        return by_x, by_gates, None


class Choices(nn.Module):
    """The candidates of a block, of which gates let one through."""

    def __init__(self, candidates: Sequence[nn.Module]) -> None:
        super().__init__()
        self.candidates = nn.ModuleList(candidates)
        self.alphas = nn.Parameter(1e-3 * torch.randn(len(candidates)))
        self.gates = nn.Parameter(torch.zeros(len(candidates)))
        self.mode, self.active, self.pair = "one", 0, [0]

    def draw(self, mode: str) -> None:
        """Choose what is active, and in mode ``two`` what else runs."""
        self.mode = mode
        p = self.alphas.detach().softmax(0)
        if mode == "two":
            self.pair = torch.multinomial(p, 2).tolist()
            q = self.alphas.detach()[self.pair].softmax(0)
            self.active = self.pair[int(torch.multinomial(q, 1))]
        else:
            self.pair = list(range(len(p)))
            self.active = int(torch.multinomial(p, 1))
        with torch.no_grad():
            self.gates.zero_()
            self.gates[self.active] = 1

    def forward(self, x: Tensor) -> Tensor:
        """The active candidate, or both of a pair behind their gates."""
        if self.mode == "one":
            return self.candidates[self.active](x)
        if self.mode == "full":
            return AllGates.apply(x, self.gates, self)
        ends = {place: self.candidates[place](x) for place in self.pair}
        return sum(
            self.gates[place] * (end if place == self.active else end.detach())
            for place, end in ends.items()
        )

    def set_alpha_gradient(self) -> None:
        """From the gradients of the gates."""
        q = self.alphas.detach()[self.pair].softmax(0)
        slopes = self.gates.grad[self.pair]
        self.alphas.grad = torch.zeros_like(self.alphas)
        self.alphas.grad[self.pair] = q * (slopes - (q * slopes).sum())

    def keep_others(self, before: Tensor) -> None:
        """Take the same from both of the pair."""
        with torch.no_grad():
            new, old = self.alphas[self.pair].exp().sum(), before[self.pair].exp().sum()
            self.alphas[self.pair] -= (new / old).log()


def network(
    widths: Sequence[int],
    strides: Sequence[int],
    *,
    channels: int,
    classes: int,
    options: int = 7,
    layers: Sequence[int] = (4, 4, 4, 4, 4, 1),
) -> nn.Sequential:
    """ProxylessNAS's network with the first ``options`` candidates; the seventh leaves x alone."""
    stem, width, *stages, last = widths
    parts = [*conv(channels, stem, 3, strides[0]), nn.ReLU6()]
    parts.append(Residual(stem, width, 3, 1, strides[1]))
    for out, stride, count in zip(stages, strides[2:], layers, strict=True):
        for layer in range(count):
            here = 1 if layer else stride
            made = [Residual(width, out, k, e, here) for k, e in CANDIDATES[:options]]
            parts.append(Choices([*made, *([nn.Identity()] if layer and options > 6 else [])]))
            width = out
    head = [*conv(width, last, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*parts, *head, nn.Linear(last, classes))


def weight_step(
    net: nn.Sequential, x: Tensor, y: Tensor, optimizer: torch.optim.Optimizer
) -> Tensor:
    """Train one path."""
    for part in net:
        if isinstance(part, Choices):
            part.draw("one")
    loss = F.cross_entropy(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def alpha_step(
    net: nn.Sequential, x: Tensor, y: Tensor, optimizer: torch.optim.Optimizer, mode: str
) -> Tensor:
    """Move the alphas of two paths, or of all; gradients of weights are computed on the way."""
    choices = [part for part in net if isinstance(part, Choices)]
    for one in choices:
        one.draw(mode)
    loss = F.cross_entropy(net(x), y)
    net.zero_grad()
    loss.backward()
    before = [one.alphas.detach().clone() for one in choices]
    for one in choices:
        one.set_alpha_gradient()
    optimizer.step()
    if mode == "two":
        for one, old in zip(choices, before, strict=True):
            one.keep_others(old)
    return loss.detach()
