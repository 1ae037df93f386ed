"""What recurrent cells are made of, beside linear maps: activations, products, gates, means."""

from __future__ import annotations

from nascout.graph.op import Op, op
from nascout.graph.shape import Shape

__all__ = ["Blend", "LeakyReLU", "Mean", "Hadamard", "Tanh"]


@op
class Tanh(Op):
    """The hyperbolic tangent."""

    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """Unchanged."""
        return xs[0]


@op
class LeakyReLU(Op):
    """x, or 0.01 · x where x is negative."""

    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """Unchanged."""
        return xs[0]


@op
class Hadamard(Op):
    """Inputs of one shape, multiplied value by value. No MACs, as for a sum."""

    arity = None
    commutative = True
    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """The common shape."""
        return _common("Hadamard", xs)


@op
class Mean(Op):
    """Inputs of one shape, averaged value by value."""

    arity = None
    commutative = True
    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """The common shape."""
        return _common("Mean", xs)


@op
class Blend(Op):
    """z · a + (1 - z) · b for inputs z, a, b: what a gate of 1 lets through comes second."""

    arity = 3
    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """The common shape."""
        return _common("Blend", xs)


def _common(name: str, xs: tuple[Shape, ...]) -> Shape:
    if any(x != xs[0] for x in xs):
        raise ValueError(f"{name} needs equal shapes, got {', '.join(map(str, xs))}")
    return xs[0]
