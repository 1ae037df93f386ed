"""Mend junctions whose inputs disagree, with pooling and 1x1 projections that cost counts."""

from __future__ import annotations

from nascout.errors import GraphError
from nascout.graph.builder import Builder
from nascout.graph.graph import Graph, Node, output_shape
from nascout.graph.op import Op
from nascout.graph.ops import Add, AvgPool, BatchNorm, Concat, Conv2d, Linear
from nascout.graph.shape import Shape

__all__ = ["projection", "repair"]


def repair(graph: Graph) -> Graph:
    """Return ``graph`` with every ``Add`` and ``Concat`` made to fit.

    A sum takes the most channels and the smallest height and width among its inputs; a
    concatenation only needs the smallest height and width. An input that is too large is
    average-pooled to the exact size, one that is too narrow is projected by a 1x1 convolution
    with batch normalisation (a bias-free linear map for vectors). A graph that fits comes back
    equal.

    Raises:
        GraphError: a junction of maps and vectors, or any other node whose inputs do not fit.

    >>> g = Builder(); x = g.input((3, 8, 8))
    >>> y = g.node(Conv2d(8, 3, stride=2), x, key="wide")
    >>> fixed = repair(g.graph(g.add(x, y, key="sum")))
    >>> [node.key for node in fixed][2:-1], str(fixed.shapes[-1])
    (['sum-repair0/avgpool', 'sum-repair0/conv2d', 'sum-repair0/batchnorm'], '8×4×4')
    """
    fixed = Builder()
    place: list[int] = []
    shapes: list[Shape] = []
    for node in graph:
        inputs = [place[i] for i in node.inputs]
        given = [shapes[i] for i in node.inputs]
        if isinstance(node.op, Add | Concat):
            target = _target(node, given)
            for position, shape in enumerate(given):
                ops = projection(shape, target if isinstance(node.op, Add) else None, target)
                key = f"{node.key}-repair{position}"
                inputs[position] = fixed.chain(ops, inputs[position], key)
                for op in ops:
                    given[position] = op.shape(given[position])
        place.append(fixed.node(node.op, *inputs, key=node.key))
        shapes.append(output_shape(node, given))
    return fixed.graph(*(place[out] for out in graph.outputs))


def _target(node: Node, shapes: list[Shape]) -> Shape:
    if len({len(shape) for shape in shapes}) > 1:
        raise GraphError(
            f"node {node.key!r} joins maps and vectors: {', '.join(map(str, shapes))}",
            "Put GlobalAvgPool before the maps.",
        )
    channels = max(shape.channels for shape in shapes)
    return Shape((channels, *(min(sizes) for sizes in zip(*(s[1:] for s in shapes), strict=True))))


def projection(shape: Shape, width: Shape | None, area: Shape) -> list[Op]:
    """What brings ``shape`` to the height and width of ``area`` and the channels of ``width``.

    Nothing where it fits; ``width=None`` leaves the channels as they are. ``area`` must not be
    larger than ``shape``.
    """
    ops: list[Op] = []
    if shape[1:] != area[1:]:
        # stride = size // wanted and a kernel that covers the rest give exactly the wanted size.
        strides = [size // wanted for size, wanted in zip(shape[1:], area[1:], strict=True)]
        kernels = [
            size - (wanted - 1) * stride
            for size, wanted, stride in zip(shape[1:], area[1:], strides, strict=True)
        ]
        ops.append(AvgPool((kernels[0], kernels[1]), (strides[0], strides[1]), padding=0))
    if width is not None and shape.channels != width.channels:
        if shape.is_map:
            ops += [Conv2d(width.channels, 1), BatchNorm()]
        else:
            ops.append(Linear(width.channels, bias=False))
    return ops
