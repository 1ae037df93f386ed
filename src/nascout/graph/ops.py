"""The op table. Spatial sizes are ``int`` or ``(vertical, horizontal)``."""

from __future__ import annotations

from nascout.graph.op import Op, op
from nascout.graph.shape import Shape
from nascout.graph.window import Pool, Size, Window, need_map, need_positive, pair

__all__ = [
    "Add",
    "AvgPool",
    "BatchNorm",
    "Concat",
    "Conv2d",
    "DepthwiseConv2d",
    "GlobalAvgPool",
    "Identity",
    "Input",
    "Linear",
    "MaxPool",
    "Pool",
    "ReLU",
    "Size",
    "Window",
    "Zero",
    "pair",
]


@op
class Input(Op):
    """A sample as it enters. One node per input of the network."""

    dims: tuple[int, ...]
    arity = 0

    def shape(self, *xs: Shape) -> Shape:
        """As given."""
        if not self.dims or min(self.dims) < 1:
            raise ValueError(f"an input needs positive sizes, got {tuple(self.dims)}")
        return Shape(self.dims)


@op
class Conv2d(Window):
    """2-D convolution. One MAC per weight and output position; a bias is one more per output."""

    out: int
    kernel: Size
    stride: Size = 1
    groups: int = 1
    dilation: Size = 1
    padding: Size | None = None
    bias: bool = False

    def shape(self, *xs: Shape) -> Shape:
        """(out, height / stride, width / stride), rounded up with the default padding."""
        (x,) = xs
        need_positive(out=self.out, groups=self.groups)
        area = self.out_area(x)
        if x.channels % self.groups or self.out % self.groups:
            raise ValueError(f"{self.groups} groups do not divide {x.channels} and {self.out}")
        return Shape((self.out, *area))

    def weights(self, *xs: Shape) -> dict[str, tuple[int, ...]]:
        """``weight`` (out, in / groups, kernel, kernel) and, if asked, ``bias`` (out,)."""
        (x,) = xs
        weight = (self.out, x.channels // self.groups, *pair(self.kernel))
        return {"weight": weight} | ({"bias": (self.out,)} if self.bias else {})

    def macs(self, *xs: Shape) -> int:
        """Learned values times output positions."""
        return self.params(*xs) * self.shape(*xs).area


@op
class DepthwiseConv2d(Window):
    """One filter per channel: a convolution with as many groups as channels."""

    kernel: Size
    stride: Size = 1
    dilation: Size = 1
    padding: Size | None = None

    def shape(self, *xs: Shape) -> Shape:
        """Channels stay."""
        (x,) = xs
        return Shape((x.channels, *self.out_area(x)))

    def weights(self, *xs: Shape) -> dict[str, tuple[int, ...]]:
        """``weight`` (channels, 1, kernel, kernel)."""
        return {"weight": (xs[0].channels, 1, *pair(self.kernel))}

    def macs(self, *xs: Shape) -> int:
        """Learned values times output positions."""
        return self.params(*xs) * self.shape(*xs).area


@op
class BatchNorm(Op):
    """Batch normalisation over channels. No MACs: it folds into a convolution at inference."""

    affine: bool = True

    def shape(self, *xs: Shape) -> Shape:
        """Unchanged."""
        return xs[0]

    def weights(self, *xs: Shape) -> dict[str, tuple[int, ...]]:
        """``weight`` and ``bias`` (channels,) if affine."""
        channels = (xs[0].channels,)
        return {"weight": channels, "bias": channels} if self.affine else {}


@op
class ReLU(Op):
    """max(x, 0)."""

    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """Unchanged."""
        return xs[0]


@op
class Identity(Op):
    """x."""

    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """Unchanged."""
        return xs[0]


@op
class Zero(Op):
    """x · 0: the "none" operation. It keeps its input, so that what feeds it is still counted."""

    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """Unchanged."""
        return xs[0]


@op
class AvgPool(Pool):
    """Mean over a window; padding is not counted in the mean."""

    kernel: Size
    stride: Size = 1
    padding: Size | None = None
    ceil: bool = False


@op
class MaxPool(Pool):
    """Maximum over a window; padding never wins."""

    kernel: Size
    stride: Size = 1
    padding: Size | None = None
    ceil: bool = False


@op
class GlobalAvgPool(Op):
    """Mean over height and width: a map becomes a vector."""

    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """(channels,)."""
        need_map(xs[0], "GlobalAvgPool")
        return Shape((xs[0].channels,))


@op
class Linear(Op):
    """A matrix times a vector, plus a bias. One MAC per learned value."""

    out: int
    bias: bool = True

    def shape(self, *xs: Shape) -> Shape:
        """(out,)."""
        (x,) = xs
        need_positive(out=self.out)
        if len(x) != 1:
            raise ValueError(f"Linear needs a vector, got {x}; put GlobalAvgPool before it")
        return Shape((self.out,))

    def weights(self, *xs: Shape) -> dict[str, tuple[int, ...]]:
        """``weight`` (out, in) and, if asked, ``bias`` (out,)."""
        weight = {"weight": (self.out, xs[0].channels)}
        return weight | ({"bias": (self.out,)} if self.bias else {})

    def macs(self, *xs: Shape) -> int:
        """As many as learned values."""
        return self.params(*xs)


@op
class Add(Op):
    """Sum of inputs of one shape."""

    arity = None
    commutative = True
    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """The common shape."""
        if any(x != xs[0] for x in xs):
            raise ValueError(f"Add needs equal shapes, got {', '.join(map(str, xs))}")
        return xs[0]


@op
class Concat(Op):
    """Inputs of one height and width, joined along channels."""

    arity = None
    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """Channels add up."""
        if any(len(x) != len(xs[0]) or x[1:] != xs[0][1:] for x in xs):
            raise ValueError(
                f"Concat needs equal heights and widths, got {', '.join(map(str, xs))}"
            )
        return Shape((sum(x.channels for x in xs), *xs[0][1:]))
