"""A graph as a picture: one self-contained SVG, laid out in layers from top to bottom.

No scripts, styles, fonts or references: colours are attributes that read on light and dark
grounds. Names are data: every text is escaped, and characters that do not print are replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import sqrt

from nascout.graph import ops
from nascout.graph.graph import Graph
from nascout.graph.layout import CHAR, RADIUS, Box, Lists, lay_out
from nascout.graph.op import Op
from nascout.printable import printable

__all__ = ["draw"]

# kind: (fill, stroke)
COLOURS = {
    "conv": ("#cfe3ff", "#4a8fe7"),
    "pool": ("#ffe2b3", "#d9902f"),
    "norm": ("#e6dcfb", "#8f6fdc"),
    "identity": ("#d3f0da", "#3fa35b"),
    "zero": ("#e9ebee", "#9aa1a9"),
    "junction": ("#f6f8fa", "#6e7781"),
    "end": ("#dde4ea", "#57606a"),
}
INK, LINE = "#1f2328", "#848d97"
SYMBOLS = {ops.Add: "+", ops.Concat: "∥"}
POOLS = (ops.AvgPool, ops.MaxPool, ops.GlobalAvgPool)
FONT, LONGEST = 13, 30
ROW_GAP, MARGIN = 30.0, 12.0

Span = tuple[float, float]  # top and bottom of a row


def draw(graph: Graph, *, title: str = "", expand: bool = False) -> str:
    """An SVG picture of ``graph``, the same text for equal arguments.

    Chains of nodes whose keys share everything but the last component become one box named
    after what they share; its second line is the output's shape where that changes. Sums and
    concatenations are circles (+, ∥), identities dashed lines. Hovering shows each node's key,
    attributes, output shape and params.

    Args:
        graph: what to draw.
        title: a heading.
        expand: draw every node as a box of its own, with its output shape.

    Raises:
        GraphError: a graph whose shapes do not fit.

    >>> from nascout.graph.builder import Builder
    >>> from nascout.graph.ops import Conv2d, ReLU
    >>> g = Builder()
    >>> y = g.chain((ReLU(), Conv2d(4, 3)), g.input((3, 8, 8)), key="cell/conv_3x3")
    >>> picture = draw(g.graph(y))
    >>> picture.startswith("<svg"), picture.count("<rect"), ">conv_3x3<" in picture
    (True, 3, True)
    """
    boxes = _boxes(graph, expand)
    rows, hops = lay_out(boxes)
    return _svg(boxes, rows, hops, title)


def _boxes(graph: Graph, expand: bool) -> list[Box]:
    """One box per node or chain, in topological order, then one per output."""
    readers = [0] * len(graph)
    for source in (*graph.outputs, *(i for node in graph for i in node.inputs)):
        readers[source] += 1
    boxes: list[Box] = []
    members: Lists = []
    home: list[int] = []
    for index, node in enumerate(graph):
        if not expand and _continues(graph, index, readers):
            home.append(home[node.inputs[0]])
            members[home[-1]].append(index)
            continue
        home.append(len(boxes))
        hidden = isinstance(node.op, ops.Identity) and not expand
        kind = "skip" if hidden else _kind(graph, index)
        boxes.append(Box(kind, sources=[home[i] for i in node.inputs]))
        members.append([index])
    for box, group in zip(boxes, members, strict=True):
        _describe(box, graph, group, expand)
    for number, out in enumerate(graph.outputs, 1):
        label = "output" if len(graph.outputs) == 1 else f"output {number}"
        shape = str(graph.shapes[out])
        boxes.append(Box("end", label, shape, f"{label}\n{shape}", [home[out]]))
    return boxes


def _continues(graph: Graph, index: int, readers: list[int]) -> bool:
    """Whether a node goes on the chain of the node it reads: same prefix, and no other reader."""
    node = graph.nodes[index]
    if node.op.arity != 1 or readers[node.inputs[0]] != 1:
        return False
    before = graph.nodes[node.inputs[0]]
    prefix = node.key.rpartition("/")[0]
    joins = before.op.arity == 1 and not isinstance(before.op, ops.Identity)
    return joins and prefix != "" and prefix == before.key.rpartition("/")[0]


def _kind(graph: Graph, index: int) -> str:
    """The colour of a node; operations of third parties fall under what they learn."""
    op = graph.nodes[index].op
    if isinstance(op, ops.Input):
        return "end"
    if op.arity != 1:
        return "junction"
    if isinstance(op, ops.Identity | ops.Zero):
        return op.label
    if isinstance(op, POOLS):
        return "pool"
    learned = op.weights(*graph.input_shapes(index)).values()
    return "conv" if any(len(shape) > 1 for shape in learned) else "norm"


def _describe(box: Box, graph: Graph, group: list[int], expand: bool) -> None:
    """Fill in the words of the box that stands for the nodes ``group``."""
    first, last = graph.nodes[group[0]], graph.nodes[group[-1]]
    shape = graph.shapes[group[-1]]
    box.tip = "\n".join(_tip(graph, index) for index in group)
    if len(group) > 1:
        kinds = {_kind(graph, index) for index in group}
        box.kind = next(kind for kind in COLOURS if kind in kinds)
    symbol = SYMBOLS.get(type(first.op))
    parts = first.key.split("/")
    if symbol:
        box.label = symbol
    elif expand and box.kind != "end":
        box.label = type(first.op).__name__ + _window(first.op)
    elif len(parts) > 1 and (len(group) > 1 or parts[-1].startswith(last.op.label)):
        box.label = parts[-2]
    else:
        box.label = parts[-1]
    if len(box.label) > LONGEST:
        box.label = box.label[: LONGEST - 1] + "…"
    changes = box.kind == "end" or any(graph.shapes[i] != shape for i in first.inputs)
    if (expand or changes) and not symbol:
        box.detail = str(shape)


def _window(op: Op) -> str:
    """`` 3×3 /2`` for a kernel of 3 and a stride of 2."""
    if not isinstance(op, ops.Window):
        return ""
    (height, width), stride = ops.pair(op.kernel), max(ops.pair(op.stride))
    return f" {height}×{width}" + (f" /{stride}" if stride > 1 else "")


def _tip(graph: Graph, index: int) -> str:
    node = graph.nodes[index]
    attributes = ", ".join(f"{k}={v}" for k, v in node.op.attributes().items() if v is not None)
    params = node.op.params(*graph.input_shapes(index))
    learned = f", {params:,} params" if params else ""
    return f"{node.key}: {type(node.op).__name__}({attributes}) → {graph.shapes[index]}{learned}"


def _svg(boxes: list[Box], rows: Lists, hops: Lists, title: str) -> str:
    top = MARGIN + (30.0 if title else 0.0)
    spans: list[Span] = []
    for row in rows:
        height = max(boxes[i].height for i in row)
        spans.append((top, top + height))
        top += height + ROW_GAP
    left = min(box.x - box.width / 2 for box in boxes) - MARGIN
    right = max(box.x + box.width / 2 for box in boxes) + MARGIN
    width, height = max(right - left, len(title) * CHAR + 2 * MARGIN), top - ROW_GAP + MARGIN
    left -= (width - (right - left)) / 2
    for box in boxes:
        box.x -= left
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    name = _text(title or "architecture")
    heading = (
        f'<text x="{width / 2:.1f}" y="{MARGIN + 12:.1f}" font-size="15" font-weight="600" '
        f'fill="{LINE}">{_text(title)}</text>'
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{name}" '
            f'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif" '
            f'font-size="{FONT}" text-anchor="middle">',
            *([heading] if title else []),
            *_lines(boxes, spans, hops),
            *(_drawn(box, spans[box.row]) for box in boxes if not box.is_line),
            "</svg>\n",
        ]
    )


def _lines(boxes: list[Box], spans: list[Span], hops: Lists) -> list[str]:
    """A path for every way from one drawn box to the next, dashed if it is an identity."""
    into: dict[int, Lists] = {}
    for hop in hops:
        into.setdefault(hop[-1], []).append(hop)
    lines = []
    for target, box in enumerate(boxes):
        if box.is_line:
            continue
        arrivals = sorted(into.get(target, []), key=lambda hop: boxes[hop[-2]].x)
        spread = min(7.0, 18.0 / max(1, len(arrivals) - 1))
        for number, hop in enumerate(arrivals):
            way = hop
            while boxes[way[0]].kind == "skip":
                way = into[way[0]][0][:-1] + way
            shift = spread * (number - (len(arrivals) - 1) / 2)
            lines.append(_line([boxes[i] for i in way], spans, shift))
    return lines


def _line(way: Sequence[Box], spans: list[Span], shift: float) -> str:
    """Curves in the gaps between rows, straight through the rows, an arrow head at the end."""
    first, last = way[0], way[-1]
    middle = sum(spans[first.row]) / 2
    path = [f"M{first.x:.1f} {middle + first.height / 2:.1f}V{spans[first.row][1]:.1f}"]
    x, y = first.x, spans[first.row][1]
    for box in way[1:]:
        to_x, (start, end) = box.x + (shift if box is last else 0.0), spans[box.row]
        half = (start - y) / 2
        path.append(f"C{x:.1f} {y + half:.1f} {to_x:.1f} {y + half:.1f} {to_x:.1f} {start:.1f}")
        x, y = to_x, end
        if box is not last:
            path.append(f"V{end:.1f}")
    half = sqrt(RADIUS**2 - shift**2) if last.is_circle else last.height / 2
    tip = sum(spans[last.row]) / 2 - half
    path.append(f"V{tip:.1f}m-3.5 -5l3.5 5l3.5 -5")
    skipped = [box.tip for box in way if box.kind == "skip"]
    colour = COLOURS["identity"][1] if skipped else LINE
    dash = ' stroke-dasharray="5 3"' if skipped else ""
    title = f"<title>{_text(chr(10).join(skipped))}</title>" if skipped else ""
    attributes = f'fill="none" stroke="{colour}" stroke-width="1.5"{dash}'
    return f'<path d="{"".join(path)}" {attributes}>{title}</path>'


def _drawn(box: Box, span: Span) -> str:
    fill, stroke = COLOURS[box.kind]
    y = sum(span) / 2
    paint = f'fill="{fill}" stroke="{stroke}" stroke-width="1.2"'
    if box.is_circle:
        shape = f'<circle cx="{box.x:.1f}" cy="{y:.1f}" r="{RADIUS:g}" {paint}/>'
    else:
        corner = 14 if box.kind == "end" else 6
        shape = (
            f'<rect x="{box.x - box.width / 2:.1f}" y="{y - box.height / 2:.1f}" '
            f'width="{box.width:.1f}" height="{box.height:.1f}" rx="{corner}" {paint}/>'
        )
    baseline = y + (-3 if box.detail else 4.5)
    words = f'<text x="{box.x:.1f}" y="{baseline:.1f}" fill="{INK}">{_text(box.label)}</text>'
    if box.detail:
        words += (
            f'<text x="{box.x:.1f}" y="{y + 13:.1f}" font-size="11" fill="{INK}" '
            f'fill-opacity="0.75">{_text(box.detail)}</text>'
        )
    return f"<g><title>{_text(box.tip)}</title>{shape}{words}</g>"


def _text(text: str) -> str:
    """``text`` as XML character data or a quoted attribute."""
    return escape(printable(text))
