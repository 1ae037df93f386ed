"""Activations of mobile networks, and a gate that scales channels."""

from __future__ import annotations

from nascout.graph.op import Op, op
from nascout.graph.ops import ReLU
from nascout.graph.shape import Shape
from nascout.graph.window import need_map

__all__ = ["Multiply", "ReLU6", "SiLU", "Sigmoid"]


@op
class ReLU6(ReLU):
    """min(max(x, 0), 6)."""


@op
class SiLU(Op):
    """x · sigmoid(x), also called swish."""

    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """Unchanged."""
        return xs[0]


@op
class Sigmoid(Op):
    """1 / (1 + exp(-x))."""

    def shape(self, *xs: Shape) -> Shape:
        """Unchanged."""
        return xs[0]


@op
class Multiply(Op):
    """A map times a gate: the second input has one value per channel of the first.

    No MACs are counted, as for a sum: nothing is multiplied and added.
    """

    arity = 2
    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """That of the map."""
        x, gate = xs
        need_map(x, "Multiply")
        if gate != (x.channels,):
            raise ValueError(f"Multiply needs a gate of {x.channels} values, got {gate}")
        return x
