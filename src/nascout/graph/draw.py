"""A graph as a picture: one self-contained SVG, laid out in layers from top to bottom.

No scripts, styles, fonts or references: colours are attributes that read on light and dark
grounds. Names are data: every text is escaped, and characters that do not print are replaced.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from math import sqrt

from nascout.graph import ops
from nascout.graph.graph import Graph
from nascout.graph.op import Op

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
FONT, CHAR, LONGEST = 13, 7.4, 30
RADIUS, GAP, ROW_GAP, MARGIN = 11.0, 22.0, 30.0, 12.0
SWEEPS = 12

Span = tuple[float, float]  # top and bottom of a row
Lists = list[list[int]]  # of indices of boxes


@dataclass
class _Box:
    """What stands in one place: a node or a contracted chain, an end, or the bend of a line."""

    kind: str
    label: str = ""
    detail: str = ""
    tip: str = ""
    sources: list[int] = field(default_factory=list)
    row: int = 0
    x: float = 0.0

    @property
    def is_line(self) -> bool:
        """Whether a line passes here and nothing is drawn."""
        return self.kind in ("bend", "skip")

    @property
    def is_circle(self) -> bool:
        return self.kind == "junction" and self.label in SYMBOLS.values()

    @property
    def width(self) -> float:
        if self.is_line or self.is_circle:
            return 2 * RADIUS if self.is_circle else 6.0
        return max(56.0, CHAR * max(len(self.label), 0.85 * len(self.detail)) + 22)

    @property
    def height(self) -> float:
        if self.is_line or self.is_circle:
            return 2 * RADIUS if self.is_circle else 0.0
        return 42.0 if self.detail else 28.0


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
    hops = _hops(boxes)
    rows: Lists = [[] for _ in range(max(box.row for box in boxes) + 1)]
    for index, box in enumerate(boxes):
        rows[box.row].append(index)
    above, below = _neighbours(len(boxes), hops)
    _untangle(rows, above, below)
    _place(boxes, rows, above, below)
    return _svg(boxes, rows, hops, title)


def _boxes(graph: Graph, expand: bool) -> list[_Box]:
    """One box per node or chain, in topological order, then one per output."""
    readers = [0] * len(graph)
    for source in (*graph.outputs, *(i for node in graph for i in node.inputs)):
        readers[source] += 1
    boxes: list[_Box] = []
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
        boxes.append(_Box(kind, sources=[home[i] for i in node.inputs]))
        members.append([index])
    for box, group in zip(boxes, members, strict=True):
        _describe(box, graph, group, expand)
    for number, out in enumerate(graph.outputs, 1):
        label = "output" if len(graph.outputs) == 1 else f"output {number}"
        shape = str(graph.shapes[out])
        boxes.append(_Box("end", label, shape, f"{label}\n{shape}", [home[out]]))
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


def _describe(box: _Box, graph: Graph, group: list[int], expand: bool) -> None:
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


def _hops(boxes: list[_Box]) -> Lists:
    """Every edge as the boxes on its way; one bend is added per row that an edge passes."""
    for box in boxes:
        box.row = max((boxes[i].row + 1 for i in box.sources), default=0)
    lowest = max(box.row for box in boxes)
    for box in boxes:
        box.row = lowest if box.kind == "end" and box.sources else box.row
    hops = []
    for target, box in enumerate(boxes[:]):
        for source in box.sources:
            bends = range(len(boxes), len(boxes) + box.row - boxes[source].row - 1)
            boxes += [_Box("bend", row=boxes[source].row + 1 + i) for i in range(len(bends))]
            hops.append([source, *bends, target])
    return hops


def _neighbours(count: int, hops: Lists) -> tuple[Lists, Lists]:
    above: Lists = [[] for _ in range(count)]
    below: Lists = [[] for _ in range(count)]
    for hop in hops:
        for one, other in pairwise(hop):
            below[one].append(other)
            above[other].append(one)
    return above, below


def _untangle(rows: Lists, above: Lists, below: Lists) -> None:
    """Order each row by the mean place of its neighbours, to and fro; keep the best order seen."""
    best, fewest = [row[:] for row in rows], _crossings(rows, below)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        beside = above if down else below
        for number in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            place = {box: i for i, box in enumerate(rows[number - 1 if down else number + 1])}
            mean = {
                box: sum(map(place.__getitem__, beside[box])) / len(beside[box])
                for box in rows[number]
                if beside[box]
            }
            mean |= {box: float(i) for i, box in enumerate(rows[number]) if box not in mean}
            rows[number].sort(key=mean.__getitem__)
        if (crossings := _crossings(rows, below)) < fewest:
            best, fewest = [row[:] for row in rows], crossings
    rows[:] = best


def _crossings(rows: Lists, below: Lists) -> int:
    """How many pairs of lines cross."""
    total = 0
    for upper, lower in pairwise(rows):
        place = {box: i for i, box in enumerate(lower)}
        seen: list[int] = []
        for box in upper:
            ends = sorted(place[n] for n in below[box])
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _place(boxes: list[_Box], rows: Lists, above: Lists, below: Lists) -> None:
    """Give every box its x: close to the mean of its neighbours, in order, without overlap."""
    for row in rows:
        _settle(boxes, row, [0.0] * len(row))
    for sweep in range(2 * SWEEPS):
        beside = (above, below)[sweep % 2]
        for row in reversed(rows) if beside is below else rows:
            wanted = [
                sum(boxes[n].x for n in beside[i]) / len(beside[i]) if beside[i] else boxes[i].x
                for i in row
            ]
            _settle(boxes, row, wanted)


def _settle(boxes: list[_Box], row: list[int], wanted: list[float]) -> None:
    """Least squares to ``wanted`` under order and distance: pool adjacent violators."""
    offsets = [0.0]
    for one, other in pairwise(row):
        gap = GAP if not (boxes[one].is_line and boxes[other].is_line) else GAP / 2
        offsets.append(offsets[-1] + (boxes[one].width + boxes[other].width) / 2 + gap)
    pools: list[tuple[float, float, int]] = []  # mean, weight, count
    for box, want, offset in zip(row, wanted, offsets, strict=True):
        mean, weight, count = want - offset, (4.0 if boxes[box].is_line else 1.0), 1
        while pools and pools[-1][0] > mean:
            former, heavy, more = pools.pop()
            mean = (mean * weight + former * heavy) / (weight + heavy)
            weight, count = weight + heavy, count + more
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    for box, mean, offset in zip(row, means, offsets, strict=True):
        boxes[box].x = mean + offset


def _svg(boxes: list[_Box], rows: Lists, hops: Lists, title: str) -> str:
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


def _lines(boxes: list[_Box], spans: list[Span], hops: Lists) -> list[str]:
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


def _line(way: Sequence[_Box], spans: list[Span], shift: float) -> str:
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


def _drawn(box: _Box, span: Span) -> str:
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
    return escape("".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text))
