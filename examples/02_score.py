"""Score networks of your own without training them.

Run: python examples/02_score.py     (on the command line: nascout score FILE.py:NAME)
"""

import torch
from torch import nn

import nascout


class ConvNet(nn.Module):
    """Any nn.Module will do."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (n, 3, height, width)."""
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x.relu())
        return self.head(x.relu().mean((2, 3)))


torch.manual_seed(0)
images, labels = torch.randn(64, 3, 16, 16), torch.randint(10, (64,))
for width, depth in ((8, 1), (8, 4), (32, 1), (32, 4)):
    net = ConvNet(width, depth)
    scores = nascout.score(net, images, ["naswot", "synflow", "snip"], labels=labels)
    line = "  ".join(f"{name} {score.value:>10.2f}" for name, score in scores.items())
    print(f"width {width:>2}, depth {depth}:  {line}  {nascout.cost(net, (3, 16, 16)).macs:,} MACs")

# A function is called anew, with torch seeded, for every initialisation.
score = nascout.score(lambda seed: ConvNet(8, 4), images, "naswot", seeds=3)
print(f"naswot over three initialisations: {score.value:.2f} ± {score.spread:.2f}")
