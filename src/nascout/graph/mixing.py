"""The operations of supernets: tensors behind gates, and channels that pass by them."""

from __future__ import annotations

from nascout.graph.op import Op, op
from nascout.graph.shape import Shape

__all__ = ["Mixed", "Rest"]


@op
class Mixed(Op):
    """The sum of inputs of one shape, each times its gate. The first input holds the gates.

    One MAC per value and input. Gates are a vector of one sample, like any other; one vector for
    all samples has a batch of one.

    Args:
        gates: for each of the other inputs, the place of its gate in the vector.
    """

    gates: tuple[int, ...]

    arity = None
    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """The common shape of the inputs that are mixed."""
        gates, *mixed = xs
        if len(mixed) != len(self.gates) or any(x != mixed[0] for x in mixed):
            raise ValueError(
                f"Mixed needs {len(self.gates)} equal shapes, got {', '.join(map(str, mixed))}"
            )
        if len(gates) != 1 or max(self.gates) >= gates.size:
            raise ValueError(f"Mixed wants gate {max(self.gates)} of a vector of {gates}")
        return mixed[0]

    def macs(self, *xs: Shape) -> int:
        """Of the sum."""
        return sum(x.size for x in xs[1:])


@op
class Rest(Op):
    """The channels behind the first ``first``."""

    first: int
    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """``first`` channels fewer; height and width stay."""
        (x,) = xs
        if not 0 < self.first < x.channels:
            raise ValueError(f"Rest leaves nothing of {x} without the first {self.first} channels")
        return Shape((x.channels - self.first, *x[1:]))
