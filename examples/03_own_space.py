"""A search space of your own: decisions, and one function from decisions to a graph.

Run: python examples/03_own_space.py
"""

from __future__ import annotations

import random

from nascout import build, cost
from nascout.graph import Builder, Graph
from nascout.graph.ops import BatchNorm, Conv2d, GlobalAvgPool, Linear, ReLU
from nascout.space import Architecture, Choice, Space, space


@space("residual_tower")
class ResidualTower(Space):
    """Residual blocks of chosen width and kernel; the second width is asked only if depth is 2."""

    classes: int = 10
    input_shape: tuple[int, int, int] = (1, 8, 8)

    @property
    def decisions(self) -> tuple[Choice, ...]:
        """Depth, then a kernel for every block that exists."""
        second = (("depth", ("2",)),)
        return (
            Choice("depth", ("1", "2")),
            Choice("kernel1", ("1", "3", "5")),
            Choice("kernel2", ("1", "3", "5"), when=second),
        )

    def graph(self, architecture: Architecture) -> Graph:
        """Stem, residual blocks, head."""
        g = Builder()
        x = g.chain((Conv2d(8, 3), BatchNorm()), g.input(self.input_shape), key="stem")
        for block in range(1, int(architecture.choices["depth"] or 0) + 1):
            kernel = int(architecture.choices[f"kernel{block}"] or 1)
            ops = (ReLU(), Conv2d(8, kernel), BatchNorm())
            y = g.chain(ops, x, key=f"block{block}/conv")
            x = g.add(x, y, key=f"block{block}/sum")
        return g.graph(g.chain((GlobalAvgPool(), Linear(self.classes)), x, key="head"))


tower = ResidualTower()
print(f"{tower.size} architectures")
rng = random.Random(0)
for _ in range(3):
    arch = tower.sample(rng)
    print(arch, cost(arch), type(build(arch)).__name__)
# nascout.search(tower, data="digits") searches it.
