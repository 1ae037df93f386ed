"""Parts of a map: fewer channels, a shifted grid, and zeros of another shape."""

from __future__ import annotations

from nascout.graph.op import Op, op
from nascout.graph.ops import Zero
from nascout.graph.shape import Shape
from nascout.graph.window import need_map, need_positive

__all__ = ["Blank", "Shift", "Truncate"]


@op
class Truncate(Op):
    """The first ``out`` channels."""

    out: int
    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """``out`` channels; height and width stay."""
        (x,) = xs
        need_positive(out=self.out)
        if self.out > x.channels:
            raise ValueError(f"Truncate cannot make {self.out} channels of {x.channels}")
        return Shape((self.out, *x[1:]))


@op
class Shift(Op):
    """A map moved by one row up and one column left; zeros come in.

    Before a stride of 2, it makes the odd positions the ones that are read.
    """

    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """Unchanged."""
        need_map(xs[0], "Shift")
        return xs[0]


@op
class Blank(Zero):
    """Zeros in the shape that a convolution of ``out`` channels and this stride would give.

    Like Zero it keeps its input, so that what feeds it is still counted.
    """

    out: int
    stride: int = 1

    @property
    def label(self) -> str:
        """``zero``: it is one."""
        return "zero"

    def shape(self, *xs: Shape) -> Shape:
        """(out, height / stride, width / stride), rounded up."""
        (x,) = xs
        need_map(x, "Blank")
        need_positive(out=self.out, stride=self.stride)
        return Shape((self.out, *(-(-size // self.stride) for size in x[1:])))
