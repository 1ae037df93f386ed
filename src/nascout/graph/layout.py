"""Where the boxes of a picture stand: in layers from top to bottom, with few crossings."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["CHAR", "RADIUS", "Box", "Lists", "lay_out"]

CHAR, RADIUS, GAP = 7.4, 11.0, 22.0
SWEEPS = 12

Lists = list[list[int]]  # of indices of boxes


@dataclass
class Box:
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
        """Whether it is a junction shown by its sign alone."""
        return self.kind == "junction" and len(self.label) == 1

    @property
    def width(self) -> float:
        """Of the drawn shape."""
        if self.is_line or self.is_circle:
            return 2 * RADIUS if self.is_circle else 6.0
        return max(56.0, CHAR * max(len(self.label), 0.85 * len(self.detail)) + 22)

    @property
    def height(self) -> float:
        """Of the drawn shape."""
        if self.is_line or self.is_circle:
            return 2 * RADIUS if self.is_circle else 0.0
        return 42.0 if self.detail else 28.0


def lay_out(boxes: list[Box]) -> tuple[Lists, Lists]:
    """Give every box its row and x; bends of long lines are appended to ``boxes``.

    Returns:
        The boxes of each row from left to right, and for every edge the boxes on its way.
    """
    hops = _hops(boxes)
    rows: Lists = [[] for _ in range(max(box.row for box in boxes) + 1)]
    for index, box in enumerate(boxes):
        rows[box.row].append(index)
    above, below = _neighbours(len(boxes), hops)
    _untangle(rows, above, below)
    _place(boxes, rows, above, below)
    return rows, hops


def _hops(boxes: list[Box]) -> Lists:
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
            boxes += [Box("bend", row=boxes[source].row + 1 + i) for i in range(len(bends))]
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


def _place(boxes: list[Box], rows: Lists, above: Lists, below: Lists) -> None:
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


def _settle(boxes: list[Box], row: list[int], wanted: list[float]) -> None:
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
