"""A network found by search as the backbone of a detector: its maps feed a small pyramid.

Run: python examples/detector_backbone.py     (seconds: finds bright squares in noise)
"""

import torch
from torch import nn
from torch.nn import functional as F

import nascout


class FeaturePyramid(nn.Module):
    """Lateral 1x1 convolutions, and from the smallest map up, each joined to the next larger."""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in backbone.channels)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in self.lateral)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """images: (n, c, height, width). One map of ``width`` channels per stride."""
        maps = [lateral(x) for lateral, x in zip(self.lateral, self.backbone(images), strict=True)]
        for level in reversed(range(len(maps) - 1)):
            size = maps[level].shape[2:]
            maps[level] = maps[level] + F.interpolate(maps[level + 1], size, mode="nearest")
        return [smooth(x) for smooth, x in zip(self.smooth, maps, strict=True)]


class Detector(nn.Module):
    """A pyramid, and one head for all its maps: is the middle of an object here?"""

    def __init__(self, backbone: nn.Module, width: int = 16) -> None:
        super().__init__()
        self.pyramid = FeaturePyramid(backbone, width)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """One map of logits per stride."""
        return [self.head(x.relu()).squeeze(1) for x in self.pyramid(images)]


def squares(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (n, 1, 32, 32) of noise with a bright square each, and its middle (n, 2)."""
    images = torch.rand(count, 1, 32, 32, generator=generator)
    middles = torch.randint(4, 28, (count, 2), generator=generator)
    for image, (row, column) in zip(images, middles.tolist(), strict=True):
        image[0, row - 3 : row + 3, column - 3 : column + 3] += 1
    return images, middles


def loss_of(
    logits: list[torch.Tensor], middles: torch.Tensor, strides: tuple[int, ...]
) -> torch.Tensor:
    """Cross-entropy over the positions of each map, of which one holds the middle."""
    losses = []
    for level, stride in zip(logits, strides, strict=True):
        row, column = (middles // stride).T
        losses.append(F.cross_entropy(level.flatten(1), row * level.shape[2] + column))
    return torch.stack(losses).mean()


space = nascout.space("nasbench201", channels=8, cells=1, input_shape=(1, 32, 32))
found = space.parse(
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
)
backbone = nascout.build(found, features=True)  # or load the state of run.best.build()
print(f"maps of {backbone.channels} channels at strides {backbone.strides}")

torch.manual_seed(0)
detector = Detector(backbone)
optimiser = torch.optim.Adam(detector.parameters(), 0.01)
generator = torch.Generator().manual_seed(0)
for _ in range(30):
    images, middles = squares(16, generator)
    loss = loss_of(detector(images), middles, backbone.strides)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

detector.eval()
images, middles = squares(100, generator)
with torch.no_grad():
    coarse = detector(images)[-1]
best = coarse.flatten(1).argmax(1)
width, stride = coarse.shape[2], backbone.strides[-1]
hits = (torch.stack((best // width, best % width), 1) == middles // stride).all(1)
print(f"found {hits.sum()} of 100 squares, among {coarse[0].numel()} places")
