"""Grow a model you have: from a trained CNN to a gallery along the front of accuracy and MACs.

Run: python examples/grow_your_model.py        (about a minute; run it again and it is done at once)
"""

from __future__ import annotations

import torch
from torch import nn

import nascout
from nascout.data import load
from nascout.train import fit, recipes


class ConvNet(nn.Module):
    """Any nn.Module that torch.fx can follow will do."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.conv = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (n, 1, height, width)."""
        x = torch.max_pool2d(self.stem(x).relu(), 2)
        x = x + self.conv(x).relu()
        return self.head(x.mean((2, 3)))


# Stands for the model that you have. The same seed gives the same weights when this runs again.
torch.manual_seed(0)
model = ConvNet()
fit(model, load("digits").split(), recipes["shortlist"], epochs=12)

run = nascout.grow(
    model,
    "digits",
    budget="2 children",
    at_once=2,
    inputs=2,
    candidate_epochs=1,
    child_epochs=3,
    out="example-grown",
    progress=False,
)
print(run.frame()[["model", "parent", "macs", "val_accuracy", "test_accuracy", "on_front"]])

best = run.pick()
for one in run.genealogy(best.model.number):
    print(f"#{one.model.number}: {dict(one.model.added)}")

# Tomorrow: the same folder and the same model, no search.
small = nascout.GrownRun("example-grown", model=model).pick("macs<=20000")
print(f"under 20,000 MACs: #{small.model.number}", small.build()(torch.zeros(2, 1, 8, 8)).shape)
