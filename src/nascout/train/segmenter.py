"""A small head that makes a map of classes out of a backbone's feature maps."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from nascout.network.module import Backbone

__all__ = ["Segmenter"]


class Segmenter(nn.Module):
    """Features, each brought to one width and to the size of the largest, summed, classified.

    In the manner of a feature pyramid (arXiv:1612.03144) with one level. Outputs are enlarged to
    the size of the image.

    Args:
        backbone: ``nascout.build(architecture, features=True)``.
        classes: of pixels.
        width: channels of the sum.

    >>> import nascout
    >>> cell = nascout.space("nasbench201", channels=4, cells=1, input_shape=(1, 16, 16))
    >>> features = nascout.build(cell.parse(cell.known["nasbench201_resnet"]), features=True)
    >>> Segmenter(features, classes=3)(torch.zeros(2, 1, 16, 16)).shape
    torch.Size([2, 3, 16, 16])
    """

    def __init__(self, backbone: Backbone, classes: int, width: int = 64) -> None:
        super().__init__()
        self.backbone = backbone
        self.sides = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))
            for channels in backbone.channels
        )
        self.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, channels, height, width) to (n, classes, height, width)."""
        maps = [side(m) for side, m in zip(self.sides, self.backbone(x), strict=True)]
        size = maps[0].shape[2:]
        total = sum((_enlarged(m, size) for m in maps[1:]), maps[0])
        return _enlarged(self.classifier(functional.relu(total)), x.shape[2:])


def _enlarged(x: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return functional.interpolate(x, size, mode="bilinear", align_corners=False)
