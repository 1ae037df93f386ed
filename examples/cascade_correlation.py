"""A network that grows from nothing: cascade-correlation on two spirals.

Run: python examples/cascade_correlation.py
"""

from __future__ import annotations

import torch

from nascout.growth.cascade import grow_cascade, two_spirals

x, y = two_spirals()
net = grow_cascade(x, y, seed=1)
right = int(((net(x) > 0) == (y > 0)).sum())
print(f"{len(net.units)} units, {right} of {len(x)} points right")

# What it learned between the points: # for one spiral, . for the other.
side = torch.linspace(-6.5, 6.5, 44)
grid = torch.cartesian_prod(side.flip(0)[::2], side).flip(1)
for row in (net(grid) > 0)[:, 0].reshape(22, 44):
    print("".join("#" if inside else "." for inside in row))
