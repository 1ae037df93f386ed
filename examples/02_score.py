"""Score networks that nascout did not make, without training them.

Run: python examples/02_score.py
"""

import torch
from torch import nn

import nascout


def convnet(width: int, depth: int) -> nn.Module:
    """Any nn.Module will do."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU()]
    for _ in range(depth):
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


torch.manual_seed(0)
images = torch.randn(64, 3, 16, 16)
for width, depth in ((8, 1), (8, 4), (32, 1), (32, 4)):
    net = convnet(width, depth)
    scores = nascout.score(net, images, ["naswot", "epsilon", "params"])
    line = "  ".join(f"{name} {score.value:>10.2f}" for name, score in scores.items())
    print(f"width {width:>2}, depth {depth}:  {line}  {nascout.cost(net, (3, 16, 16)).macs:,} MACs")
