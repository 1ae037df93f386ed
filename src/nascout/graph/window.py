"""What slides over a map: sizes, padding, and how many positions a window takes."""

from __future__ import annotations

from nascout.graph.op import Op
from nascout.graph.shape import Shape

__all__ = ["Pool", "Size", "Window", "need_map", "need_positive", "pair"]

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


class Pool(Window):
    """What gathers a window into one value per channel."""

    keeps_zero = True

    def shape(self, *xs: Shape) -> Shape:
        """Channels stay. PyTorch allows padding up to half the kernel."""
        (x,) = xs
        if any(2 * p > k for p, k in zip(self.pads, pair(self.kernel), strict=True)):
            raise ValueError(f"padding {self.pads} is more than half the kernel {self.kernel}")
        return Shape((x.channels, *self.out_area(x)))
