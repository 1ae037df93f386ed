"""Weight sharing by mixed operations in plain modules, with steps as the released codes take them.

The networks are DARTS's cells and NAS-Bench-201's, with every option on every edge. A step runs
all of them behind a softmax (DARTS; PC-DARTS on a part of the channels, with weights of a node's
edges), one behind a hard Gumbel softmax (GDAS), or one alone (random paths).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "OPTIONS",
    "Bench201",
    "DartsCells",
    "Mix",
    "alpha_step",
    "unrolled_alpha_step",
    "weight_step",
]

OPTIONS = {
    "darts": (
        "none",
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
    ),
    "nasbench201": ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"),
}


class Mix(NamedTuple):
    """What runs on the edges of one kind of cell.

    weights: (edges, options), or None where an option counts as it is.
    chosen: per edge, the option that runs alone; None for all, and without weights for no edge.
    ends: (edges,), what a node's edges are multiplied by.
    """

    weights: Tensor | None
    chosen: Sequence[int | None]
    ends: Tensor | None = None


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch statistics, no weights."""
    return nn.BatchNorm2d(channels, affine=False, track_running_stats=False)


def conv(c_in: int, c_out: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """ReLU, convolution, normalisation."""
    filters = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), filters, norm(c_out))


def depthwise(c: int, kernel: int, stride: int, dilation: int = 1) -> list[nn.Module]:
    """ReLU, a filter per channel, 1x1 convolution, normalisation."""
    same = dilation * (kernel // 2)
    filters = nn.Conv2d(c, c, kernel, stride, same, dilation, groups=c, bias=False)
    return [nn.ReLU(), filters, nn.Conv2d(c, c, 1, bias=False), norm(c)]


class Halved(nn.Module):
    """A factorized reduction."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(c_in, c_out // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(c_in, c_out // 2, 1, 2, bias=False)
        self.norm = norm(c_out)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of even height and width."""
        x = F.relu(x)
        return self.norm(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], 1))


class Nothing(nn.Module):
    """Zeros, which depend on x."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Maps, fewer of their positions at a stride."""
        return (x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]).mul(0.0)


class Pooled(nn.Sequential):
    """A pool and its normalisation."""


def operation(name: str, c: int, stride: int, *, pool_norm: bool) -> nn.Module:
    """An option of an edge."""
    if name == "none":
        return Nothing(stride)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else Halved(c, c)
    kernel = int(name[-1])
    if "pool" in name:
        pool = (
            nn.MaxPool2d(kernel, stride, kernel // 2)
            if name.startswith("max")
            else nn.AvgPool2d(kernel, stride, kernel // 2, count_include_pad=False)
        )
        return Pooled(pool, norm(c)) if pool_norm else pool
    if name.startswith("nor"):
        return conv(c, c, kernel, stride)
    if name.startswith("sep"):
        return nn.Sequential(*depthwise(c, kernel, stride), *depthwise(c, kernel, 1))
    return nn.Sequential(*depthwise(c, kernel, stride, dilation=2))


class Edge(nn.Module):
    """All options of an edge, on one in ``partial`` channels."""

    def __init__(self, space: str, c: int, stride: int, partial: int) -> None:
        super().__init__()
        self.partial, self.stride, self.part = partial, stride, c // partial
        self.options = nn.ModuleList(
            operation(name, self.part, stride, pool_norm=space == "darts")
            for name in OPTIONS[space]
        )

    def forward(self, x: Tensor, weights: Tensor | None, chosen: int | None) -> Tensor:
        """The options that run, behind their weights; the other channels as they are."""
        if self.partial == 1:
            return self.mixed(x, weights, chosen)
        made, rest = self.mixed(x[:, : self.part], weights, chosen), x[:, self.part :]
        both = torch.cat([made, rest if self.stride == 1 else F.max_pool2d(rest, 2)], 1)
        n, c, height, width = both.shape
        grouped = both.view(n, self.partial, c // self.partial, height, width)
        return grouped.transpose(1, 2).reshape(n, c, height, width)

    def mixed(self, x: Tensor, weights: Tensor | None, chosen: int | None) -> Tensor:
        """The options that run, behind their weights."""
        if weights is None:
            option = self.options[chosen]
            # A network that is derived from DARTS's cells has no normalisation behind a pool.
            return option[0](x) if isinstance(option, Pooled) else option(x)
        if chosen is None:
            return sum(w * option(x) for w, option in zip(weights, self.options, strict=True))
        return sum(
            w * self.options[place](x) if place == chosen else w for place, w in enumerate(weights)
        )


def fill(edges: nn.ModuleList, states: list[Tensor], nodes: int, mix: Mix) -> list[Tensor]:
    """States and behind them nodes, each the sum of its edges from all before."""
    place = 0
    for _ in range(nodes):
        terms = []
        for x in states:
            weights = None if mix.weights is None else mix.weights[place]
            if weights is not None or mix.chosen[place] is not None:
                term = edges[place](x, weights, mix.chosen[place])
                terms.append(term if mix.ends is None else mix.ends[place] * term)
            place += 1
        states.append(sum(terms[1:], terms[0]))
    return states


class Relaxed(nn.Module):
    """Architecture parameters by kind of cell, which are no weights."""

    def __init__(self, space: str, kinds: Sequence[str], sizes: Sequence[int], partial: int):
        super().__init__()
        self.sizes = list(sizes)
        shape = sum(sizes), len(OPTIONS[space])
        self.alphas = {kind: (1e-3 * torch.randn(shape)).requires_grad_() for kind in kinds}
        kinds = kinds if partial > 1 else ()
        self.betas = {kind: (1e-3 * torch.randn(shape[0])).requires_grad_() for kind in kinds}

    def architecture(self) -> list[Tensor]:
        """All architecture parameters."""
        return [*self.alphas.values(), *self.betas.values()]

    def mixture(self) -> Mapping[str, Mix]:
        """All options by their softmax; a node's edges too, where channels are partial."""
        ends = {
            kind: torch.cat([one.softmax(0) for one in beta.split(self.sizes)])
            for kind, beta in self.betas.items()
        }
        return {
            kind: Mix(alpha.softmax(-1), [None] * len(alpha), ends.get(kind))
            for kind, alpha in self.alphas.items()
        }

    def drawn(self, tau: float, noise: Mapping[str, Tensor]) -> Mapping[str, Mix]:
        """One option per edge, by a hard softmax with Gumbel noise."""
        mixes = {}
        for kind, alpha in self.alphas.items():
            soft = ((alpha.log_softmax(-1) + noise[kind]) / tau).softmax(-1)
            place = soft.argmax(-1, keepdim=True)
            hard = torch.zeros_like(soft).scatter_(-1, place, 1.0)
            mixes[kind] = Mix(hard - soft.detach() + soft, place.flatten().tolist())
        return mixes


class DartsCells(Relaxed):
    """DARTS's search network."""

    def __init__(
        self, c: int, cells: int, partial: int = 1, channels: int = 3, classes: int = 10
    ) -> None:
        super().__init__("darts", ("normal", "reduce"), (2, 3, 4, 5), partial)
        wide = 3 * c
        self.stem = nn.Sequential(nn.Conv2d(channels, wide, 3, padding=1, bias=False), norm(wide))
        self.cells = nn.ModuleList()
        before, now, halved = wide, wide, False
        for index in range(cells):
            stride = 2 if index in (cells // 3, 2 * cells // 3) else 1
            c *= stride
            self.cells.append(DartsCell(before, now, c, stride, halved, partial))
            before, now, halved = now, 4 * c, stride > 1
        self.classifier = nn.Linear(now, classes)

    def forward(self, x: Tensor, mixes: Mapping[str, Mix]) -> Tensor:
        """Logits."""
        before = now = self.stem(x)
        for cell in self.cells:
            before, now = now, cell(before, now, mixes)
        return self.classifier(F.adaptive_avg_pool2d(now, 1).flatten(1))


class DartsCell(nn.Module):
    """Two inputs made to fit, four nodes side by side."""

    def __init__(
        self, before: int, now: int, c: int, stride: int, halved: bool, partial: int
    ) -> None:
        super().__init__()
        self.kind = "reduce" if stride > 1 else "normal"
        self.input1 = conv(now, c)
        self.input0 = Halved(before, c) if halved else conv(before, c)
        self.edges = nn.ModuleList(
            Edge("darts", c, stride if source < 2 else 1, partial)
            for node in range(2, 6)
            for source in range(node)
        )

    def forward(self, before: Tensor, now: Tensor, mixes: Mapping[str, Mix]) -> Tensor:
        """Four times the channels."""
        states = [self.input0(before), self.input1(now)]
        states = fill(self.edges, states, 4, mixes[self.kind])
        return torch.cat(states[2:], 1)


class Bench201(Relaxed):
    """NAS-Bench-201's network with every option on every edge."""

    def __init__(
        self, c: int, cells: int, partial: int = 1, channels: int = 3, classes: int = 10
    ) -> None:
        super().__init__("nasbench201", ("cell",), (1, 2, 3), partial)
        self.stem = nn.Sequential(nn.Conv2d(channels, c, 3, padding=1, bias=False), norm(c))
        self.parts = nn.ModuleList()
        for stage in range(3):
            if stage:
                self.parts.append(Reduction(c, 2 * c))
                c *= 2
            for _ in range(cells):
                edges = [Edge("nasbench201", c, 1, partial) for _ in range(6)]
                self.parts.append(nn.ModuleList(edges))
        self.last = norm(c)
        self.classifier = nn.Linear(c, classes)

    def forward(self, x: Tensor, mixes: Mapping[str, Mix]) -> Tensor:
        """Logits."""
        x = self.stem(x)
        for part in self.parts:
            x = part(x) if isinstance(part, Reduction) else fill(part, [x], 3, mixes["cell"])[-1]
        return self.classifier(F.relu(self.last(x)).mean((2, 3)))


class Reduction(nn.Module):
    """A residual block of stride 2."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.both = nn.Sequential(conv(before, after, 3, 2), conv(after, after, 3))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(before, after, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Both ways added."""
        return self.both(x) + self.shortcut(x)


Draw = Callable[[], Mapping[str, Mix]]
Batch = tuple[Tensor, Tensor]


def weight_step(net: Relaxed, batch: Batch, sgd: torch.optim.Optimizer, draw: Draw) -> Tensor:
    """Train what ``draw`` lets run."""
    loss = F.cross_entropy(net(batch[0], draw()), batch[1])
    sgd.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    sgd.step()
    return loss.detach()


def alpha_step(net: Relaxed, batch: Batch, adam: torch.optim.Optimizer, draw: Draw) -> Tensor:
    """Move the architecture, by the weights as they are; theirs are computed on the way."""
    adam.zero_grad()
    loss = F.cross_entropy(net(batch[0], draw()), batch[1])
    loss.backward()
    adam.step()
    return loss.detach()


def unrolled_alpha_step(
    net: Relaxed,
    train: Batch,
    val: Batch,
    adam: torch.optim.Optimizer,
    sgd: torch.optim.Optimizer,
    reach: float = 0.01,
) -> Tensor:
    """Move the architecture through one step of the weights, taken by a copy of the network."""
    (group,) = sgd.param_groups
    eta, weights, alphas = group["lr"], list(net.parameters()), net.architecture()

    def loss_of(one: Relaxed, batch: Batch) -> Tensor:
        return F.cross_entropy(one(batch[0], one.mixture()), batch[1])

    slopes = torch.autograd.grad(loss_of(net, train), weights)
    ahead = copy.deepcopy(net)
    with torch.no_grad():
        for w, moved, slope in zip(weights, ahead.parameters(), slopes, strict=True):
            velocity = sgd.state[w].get("momentum_buffer", torch.zeros_like(w))
            change = group["momentum"] * velocity + slope + group["weight_decay"] * w
            moved.copy_(w - eta * change)
    adam.zero_grad()
    ahead.zero_grad()
    for alpha in ahead.architecture():
        alpha.grad = None
    loss = loss_of(ahead, val)
    loss.backward()
    directions = [w.grad for w in ahead.parameters()]
    e = reach / torch.cat([d.flatten() for d in directions]).norm()
    sides = []
    for move in (e, -2 * e):
        with torch.no_grad():
            for w, direction in zip(weights, directions, strict=True):
                w.add_(move * direction)
        sides.append(torch.autograd.grad(loss_of(net, train), alphas))
    with torch.no_grad():
        for w, direction in zip(weights, directions, strict=True):
            w.add_(e * direction)
    for alpha, moved, plus, minus in zip(alphas, ahead.architecture(), *sides, strict=True):
        alpha.grad = moved.grad - eta * (plus - minus) / (2 * e)
    adam.step()
    return loss.detach()
