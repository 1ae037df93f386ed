"""Maps rearranged: fewer channels, in another order, shifted, with zeros around or instead."""

from __future__ import annotations

from nascout.graph.op import Op, op
from nascout.graph.ops import Zero
from nascout.graph.shape import Shape
from nascout.graph.window import need_map, need_positive

__all__ = ["Blank", "Pad", "Shift", "Shuffle", "Truncate"]


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
class Shuffle(Op):
    """Channels in the order first of every group, second of every group, and so on.

    Between two grouped convolutions, it lets each group of the second read all of the first.
    """

    groups: int
    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """Unchanged."""
        (x,) = xs
        need_positive(groups=self.groups)
        if x.channels % self.groups:
            raise ValueError(f"{self.groups} groups do not divide {x.channels}")
        return x


@op
class Pad(Op):
    """A map with zeros below and to the right, ``height`` by ``width`` in all."""

    height: int
    width: int
    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """(channels, height, width)."""
        (x,) = xs
        need_map(x, "Pad")
        if self.height < x.height or self.width < x.width:
            raise ValueError(f"Pad cannot make {self.height}×{self.width} of {x}")
        return Shape((x.channels, self.height, self.width))


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
