"""Weight sharing on NAS-Bench-201 by plain modules: every operation of every edge is built."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["SharedCells", "step"]

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


class SharedCells(nn.Module):
    """The benchmark's skeleton; in each cell, each edge runs the one operation that it is told."""

    def __init__(self, channels: int, cells: int, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), norm(channels))
        self.blocks = nn.ModuleList()
        for stage in range(3):
            width = channels * 2**stage
            if stage:
                self.blocks.append(Reduction(width // 2, width))
            self.blocks.extend(Cell(width) for _ in range(cells))
        self.last = nn.Sequential(norm(width), nn.ReLU())
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor, choices: Mapping[str, str]) -> Tensor:
        """Logits of the architecture whose operations by edge are ``choices``."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x, choices)
        return self.classifier(self.last(x).mean((2, 3)))


class Cell(nn.Module):
    """Six edges of five operations."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleDict(
            {
                f"{i}->{j}": nn.ModuleDict(
                    {
                        "nor_conv_1x1": convolution(channels, channels, 1),
                        "nor_conv_3x3": convolution(channels, channels, 3),
                        "avg_pool_3x3": nn.AvgPool2d(3, 1, 1, count_include_pad=False),
                        "skip_connect": nn.Identity(),
                    }
                )
                for i, j in EDGES
            }
        )

    def forward(self, x: Tensor, choices: Mapping[str, str]) -> Tensor:
        """The last of four nodes, each the sum of its edges."""
        nodes = [x]
        for target in (1, 2, 3):
            terms = []
            for source in range(target):
                edge = f"{source}->{target}"
                if choices[edge] == "none":
                    terms.append(nodes[source] * 0.0)
                else:
                    terms.append(self.edges[edge][choices[edge]](nodes[source]))
            nodes.append(sum(terms[1:], terms[0]))
        return nodes[-1]


class Reduction(nn.Module):
    """A residual block that halves the maps."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = convolution(before, after, 3, stride=2)
        self.second = convolution(after, after, 3)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(before, after, 1, bias=False))

    def forward(self, x: Tensor, _: Mapping[str, str]) -> Tensor:
        """Both ways added."""
        return self.second(self.first(x)) + self.shortcut(x)


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch statistics, no weights."""
    return nn.BatchNorm2d(channels, affine=False, track_running_stats=False)


def convolution(before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """ReLU, convolution, normalisation."""
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), conv, norm(after))


def step(
    net: SharedCells,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    choices: Mapping[str, str],
) -> float:
    """One step of SGD on one path."""
    loss = F.cross_entropy(net(x, choices), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimizer.step()
    return float(loss.detach())
