"""The inverted residual block of MobileNetV2, with or without squeeze-and-excitation."""

from __future__ import annotations

from nascout.graph import Builder, Op
from nascout.graph.gates import Multiply, Sigmoid
from nascout.graph.ops import BatchNorm, DepthwiseConv2d, GlobalAvgPool, Linear, ReLU
from nascout.space.conv_block import conv_bn

__all__ = ["inverted_residual"]

RELU = ReLU()


def inverted_residual(
    g: Builder,
    x: int,
    channels: tuple[int, int],
    *,
    expansion: int,
    kernel: int,
    stride: int,
    key: str,
    squeeze: int = 0,
    activation: Op = RELU,
) -> int:
    """Widen by 1x1, filter each channel, gate, narrow by 1x1; add ``x`` if the shape is its own.

    MobileNetV2 (arXiv:1801.04381, section 3.3) and, for the gate, MnasNet (arXiv:1807.11626).

    Args:
        g: the graph that grows.
        x: the node to read.
        channels: of ``x`` and of the output.
        expansion: how many times wider the block is inside; 1 leaves out the first convolution.
        kernel: side of the depthwise filters.
        stride: of the depthwise filters.
        key: prefix of the nodes' keys.
        squeeze: channels in the middle of squeeze-and-excitation (arXiv:1709.01507); 0 for none.
        activation: after every convolution but the last, and inside the gate.
    """
    c_in, c_out = channels
    inside = c_in * expansion
    y = x
    if expansion > 1:
        y = g.chain(conv_bn(inside, activation=activation), y, key=f"{key}/expand")
    filters = (DepthwiseConv2d(kernel, stride), BatchNorm(), activation)
    y = g.chain(filters, y, key=f"{key}/depthwise")
    if squeeze:
        gate = (GlobalAvgPool(), Linear(squeeze), activation)
        z = g.chain(gate, y, key=f"{key}/squeeze")
        z = g.chain((Linear(inside), Sigmoid()), z, key=f"{key}/excite")
        y = g.node(Multiply(), y, z, key=f"{key}/scale")
    y = g.chain(conv_bn(c_out, activation=None), y, key=f"{key}/project")
    return g.add(y, x, key=f"{key}/sum") if stride == 1 and c_in == c_out else y
