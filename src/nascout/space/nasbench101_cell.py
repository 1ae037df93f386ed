"""The cell of NAS-Bench-101 as a matrix: pruning, channels per vertex, and its official hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Cell", "cell_hash", "prune", "vertex_channels"]


class Cell(NamedTuple):
    """``matrix[i][j]`` is 1 where an edge leads from vertex i to j > i; ``ops`` of inner vertices.

    Vertex 0 is the input and the last one the output.
    """

    matrix: tuple[tuple[int, ...], ...]
    ops: tuple[str, ...]

    @property
    def edges(self) -> int:
        """How many there are."""
        return sum(map(sum, self.matrix))


def prune(cell: Cell) -> Cell | None:
    """Without the vertices that are on no path from input to output; ``None`` without a path.

    >>> prune(Cell(((0, 1, 1, 0), (0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 0, 0)), ("a", "b")))
    Cell(matrix=((0, 1, 0), (0, 0, 1), (0, 0, 0)), ops=('b',))
    """
    matrix, last = cell.matrix, len(cell.matrix) - 1
    reached, reaching = {0}, {last}
    for j in range(1, last + 1):
        if any(matrix[i][j] for i in reached):
            reached.add(j)
    for i in range(last - 1, -1, -1):
        if any(matrix[i][j] for j in reaching):
            reaching.add(i)
    kept = sorted(reached & reaching)
    if last not in kept:
        return None
    return Cell(
        tuple(tuple(matrix[i][j] for j in kept) for i in kept),
        tuple(cell.ops[v - 1] for v in kept[1:-1]),
    )


def vertex_channels(cell: Cell, c_in: int, c_out: int) -> list[int]:
    """Channels of every vertex of a pruned cell.

    What the output reads shares its channels evenly, the first vertices taking the remainder;
    any other vertex is as wide as the widest that reads it.
    """
    matrix, last = cell.matrix, len(cell.matrix) - 1
    read = [v for v in range(1, last) if matrix[v][last]]
    channels = [c_in, *([0] * (last - 1)), c_out]
    for place, v in enumerate(read):
        channels[v] = c_out // len(read) + (place < c_out % len(read))
    for v in range(last - 1, 0, -1):
        if not matrix[v][last]:
            channels[v] = max(channels[j] for j in range(v + 1, last) if matrix[v][j])
    return channels


def cell_hash(cell: Cell, operations: Sequence[str]) -> str:
    """The hash under which the benchmark files a pruned cell; equal for isomorphic ones.

    Every vertex starts from its out-degree, in-degree and label (-1 input, -2 output, else the
    place in ``operations``); as many rounds of MD5 as there are vertices mix in the neighbours.
    """
    matrix, vertices = cell.matrix, range(len(cell.matrix))
    labels = [-1, *(operations.index(op) for op in cell.ops), -2]
    degrees = [(sum(matrix[v]), sum(row[v] for row in matrix)) for v in vertices]
    hashes = [_md5(str((*degrees[v], labels[v]))) for v in vertices]
    for _ in vertices:
        before = ["".join(sorted(hashes[w] for w in vertices if matrix[w][v])) for v in vertices]
        after = ["".join(sorted(hashes[w] for w in vertices if matrix[v][w])) for v in vertices]
        hashes = [_md5(f"{before[v]}|{after[v]}|{hashes[v]}") for v in vertices]
    return _md5(str(sorted(hashes)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
