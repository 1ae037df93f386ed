"""The op table. Spatial sizes are ``int`` or ``(vertical, horizontal)``."""

from __future__ import annotations

from nascout.graph.op import Op, op
from nascout.graph.shape import Shape

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
    "Window",
    "Zero",
]

Size = int | tuple[int, int]


def pair(size: Size | list[int]) -> tuple[int, int]:
    """``3`` and ``(3, 3)`` alike as ``(3, 3)``."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def need_map(x: Shape, name: str) -> None:
    """Refuse what has no height and width."""
    if not x.is_map:
        raise ValueError(f"{name} needs a map (channels, height, width), got {x}")


def need_positive(**sizes: Size) -> None:
    """Refuse sizes below one."""
    for name, size in sizes.items():
        if min(pair(size)) < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")


class Window(Op):
    """What slides over a map: convolutions and pools.

    ``padding=None`` keeps the size at stride 1 for odd kernels: ``dilation * (kernel - 1) // 2``.
    ``ceil`` lets the last window reach over the edge (PyTorch's ``ceil_mode``).
    """

    kernel: Size
    stride: Size
    dilation: Size = 1
    padding: Size | None = None
    ceil: bool = False

    @property
    def pads(self) -> tuple[int, int]:
        """Padding on each side, rows and columns."""
        if self.padding is not None:
            return pair(self.padding)
        (kh, kw), (dh, dw) = pair(self.kernel), pair(self.dilation)
        return dh * (kh - 1) // 2, dw * (kw - 1) // 2

    def out_area(self, x: Shape) -> tuple[int, int]:
        """Height and width of the output."""
        need_map(x, type(self).__name__)
        need_positive(kernel=self.kernel, stride=self.stride, dilation=self.dilation)
        if min(self.pads) < 0:
            raise ValueError(f"padding must not be negative, got {self.padding}")
        axes = zip(
            x[1:], pair(self.kernel), pair(self.stride), pair(self.dilation), self.pads, strict=True
        )
        height, width = (self._along(*axis) for axis in axes)
        return height, width

    def _along(self, size: int, kernel: int, stride: int, dilation: int, pad: int) -> int:
        reach = dilation * (kernel - 1) + 1
        out = (size + 2 * pad - reach + (stride - 1 if self.ceil else 0)) // stride + 1
        # PyTorch's rule: a window over the edge counts only if it starts before the padding.
        if self.ceil and (out - 1) * stride >= size + pad:
            out -= 1
        if out < 1:
            raise ValueError(f"a window of {reach} does not fit {size} + 2·{pad}")
        return out


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


class Pool(Window):
    """What gathers a window into one value per channel."""

    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """Channels stay. PyTorch allows padding up to half the kernel."""
        (x,) = xs
        if any(2 * p > k for p, k in zip(self.pads, pair(self.kernel), strict=True)):
            raise ValueError(f"padding {self.pads} is more than half the kernel {self.kernel}")
        return Shape((x.channels, *self.out_area(x)))


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
