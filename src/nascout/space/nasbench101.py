"""NAS-Bench-101: any cell of up to seven vertices and nine edges."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import Builder, Graph
from nascout.graph.cuts import Truncate
from nascout.graph.ops import GlobalAvgPool, Linear, MaxPool
from nascout.space.architecture import Architecture
from nascout.space.constrained import Constrained
from nascout.space.conv_block import conv_bn
from nascout.space.decision import Choice
from nascout.space.nasbench101_cell import Cell, cell_hash, prune, vertex_channels
from nascout.space.space import space

__all__ = ["NasBench101"]

VERTICES: Final = 7
MAX_EDGES: Final = 9
OPS: Final = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
PAIRS: Final = tuple((i, j) for j in range(VERTICES) for i in range(j))
INNER: Final = range(1, VERTICES - 1)
DECISIONS: Final = (
    *(Choice(f"{i}->{j}", ("no", "yes")) for i, j in PAIRS),
    *(Choice(f"op{v}", OPS) for v in INNER),
)
#: Of the 2^21 choices of edges, those with a path from input to output and at most nine edges
#: after pruning.
MATRICES: Final = 1_538_083
EXAMPLE: Final = "conv3x3-bn-relu:0|conv1x1-bn-relu:01|maxpool3x3:2|output:03"


@space("nasbench101", paper="arXiv:1902.09635")
class NasBench101(Constrained):
    """Cells of up to five operations, wired freely: 423,624 distinct ones.

    A decision per pair of seven vertices says whether an edge joins them, one per inner vertex
    names its operation. Vertices on no path from input to output are pruned; what is left must
    have at most nine edges. ``size`` counts the decisions that leave such a cell, so a cell
    counts once for every way to write it.

    What a vertex reads is added, what the output reads is concatenated. An edge from the input
    is a 1x1 projection; to the output it is added behind the concatenation. The output's
    channels are divided among the vertices it reads, and a vertex one channel wider than its
    reader is cut. Three stacks of three cells; between stacks, 2x2 max-pooling and twice the
    channels. At the default sizes ``params`` is the benchmark's ``trainable_parameters``.

    Deviations: normalisation has PyTorch's momentum of 0.1, not 1 - 0.997.

    Args:
        channels: channels of the stem and the first stack; at least five, which is how many
            vertices a cell may divide them among.
        stacks: stacks of cells.
        cells: cells per stack.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.

    Notation: ``operation:sources`` for vertices 1, 2, ..., then ``output:sources``, joined by
    ``|``; sources are vertices, 0 being the input. Last vertices without edges are left out
    where they are ``conv3x3-bn-relu``.

    Example:
        >>> op = "conv3x3-bn-relu"
        >>> arch = NasBench101().parse(f"{op}:0|{op}:1|{op}:2|output:023")
        >>> arch.choices["2->3"], NasBench101.hash(arch)
        ('yes', '98de15cf3fec0215a7bcc30cf8a70595')
    """

    channels: int = 128
    stacks: int = 3
    cells: int = 3
    classes: int = 10
    input_shape: tuple[int, int, int] = (3, 32, 32)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels < len(INNER):
            raise ConfigError(
                f"{self.name}: channels = {self.channels}",
                f"Give at least {len(INNER)}: a cell may divide them among that many vertices.",
            )

    @property
    def decisions(self) -> tuple[Choice, ...]:
        """Whether each edge ``i->j`` is there, then the operation of each inner vertex."""
        return DECISIONS

    @cached_property
    def size(self) -> int:
        """How many decisions leave a valid cell (isomorphic ones counted apart)."""
        return MATRICES * len(OPS) ** 5

    def check(self, choices: Mapping[str, str | None]) -> None:
        """Refuse cells without a path from input to output, and those with too many edges.

        Raises:
            ArchitectureError: says which of the two.
        """
        cell = prune(_cell(choices))
        if cell is None:
            raise ArchitectureError(
                f"{self.name}: no path leads from the input to the output",
                "Add edges until one does.",
            )
        if cell.edges > MAX_EDGES:
            raise ArchitectureError(
                f"{self.name}: the cell has {cell.edges} edges on paths from input to output",
                f"Keep at most {MAX_EDGES} of them.",
            )

    @staticmethod
    def cell(architecture: Architecture) -> Cell:
        """The pruned cell: its matrix and the operations of its inner vertices."""
        cell = prune(_cell(architecture.choices))
        assert cell is not None, "an architecture has a path"
        return cell

    @staticmethod
    def hash(architecture: Architecture) -> str:
        """The hash under which the benchmark files the cell; equal for isomorphic cells."""
        return cell_hash(NasBench101.cell(architecture), OPS)

    def from_matrix(
        self, matrix: Sequence[Sequence[int]], ops: Sequence[str | int]
    ) -> Architecture:
        """The architecture of a cell as tables give it.

        Args:
            matrix: upper triangular, one row per vertex, input first and output last.
            ops: a label per vertex: a name, or its place among conv3x3, conv1x1 and maxpool;
                the first and the last are not read.

        Raises:
            ArchitectureError: not such a matrix, an unknown label, or a cell that is not valid.
        """
        last = len(matrix) - 1
        below = (matrix[i][j] for i in range(last + 1) for j in range(i + 1))
        square = all(len(row) == len(matrix) for row in matrix)
        if not (1 <= last < VERTICES and square and len(ops) == len(matrix)) or any(below):
            raise ArchitectureError(
                f"a matrix of {len(matrix)} rows with {len(ops)} labels is no cell",
                f"Give an upper triangular square of 2 to {VERTICES} rows, and a label for each.",
            )
        numbered: dict[str | int, str] = dict(enumerate(OPS))
        vertex = [*range(last), VERTICES - 1]
        choices = {f"{i}->{j}": "no" for i, j in PAIRS} | {f"op{v}": OPS[0] for v in INNER}
        choices |= {f"op{v}": numbered.get(ops[v], str(ops[v])) for v in range(1, last)}
        for i, row in enumerate(matrix):
            choices |= {f"{vertex[i]}->{vertex[j]}": "yes" for j, edge in enumerate(row) if edge}
        return self.architecture(choices)

    def graph(self, architecture: Architecture) -> Graph:
        """Stem, stacks of cells with max-pooling between them, classifier."""
        cell = self.cell(architecture)
        g = Builder()
        x = g.chain(conv_bn(self.channels, 3), g.input(self.input_shape), key="stem")
        before = width = self.channels
        for stack in range(1, self.stacks + 1):
            if stack > 1:
                x = g.node(MaxPool(2, 2, ceil=True), x, key=f"stack{stack}/pool/maxpool")
                width *= 2
            for index in range(self.cells):
                x = _build(g, cell, x, (before, width), f"stack{stack}/cell{index}")
                before = width
        return g.graph(g.chain((GlobalAvgPool(), Linear(self.classes)), x, key="head"))

    def picture(self, architecture: Architecture) -> Graph:
        """One cell of the first stack."""
        g = Builder()
        x = g.input((self.channels, *self.input_shape[1:]), key="in")
        same = (self.channels, self.channels)
        return g.graph(_build(g, self.cell(architecture), x, same, "cell"))

    def parse(self, text: str) -> Architecture:
        """Read the notation that ``format`` writes.

        Raises:
            ArchitectureError: text of another form, or a cell that is not valid.
        """
        parts = [part.partition(":") for part in text.strip().split("|")]
        names, sources = [name for name, _, _ in parts], [given for _, _, given in parts]
        sound = all(
            re.fullmatch("[0-9]*", given, re.ASCII)
            and list(given) == sorted(set(given))
            and all(int(i) <= v for i in given)
            for v, given in enumerate(sources)
        )
        if not sound or names[-1] != "output" or any(":" not in p for p in text.split("|")):
            raise ArchitectureError(f"malformed architecture {text!r}", f"Write it like {EXAMPLE}")
        rows = [[int(str(i) in given) for given in ("", *sources)] for i in range(len(parts) + 1)]
        return self.from_matrix(rows, ["input", *names])

    def format(self, architecture: Architecture) -> str:
        """``operation:sources`` for each vertex, then the output's sources."""
        cell = _cell(architecture.choices)
        sources = ["".join(str(i) for i, row in enumerate(cell.matrix) if row[j]) for j in INNER]
        used = [
            v for v in INNER if any(cell.matrix[v]) or sources[v - 1] or cell.ops[v - 1] != OPS[0]
        ]
        shown = [f"{cell.ops[v - 1]}:{sources[v - 1]}" for v in range(1, max(used, default=0) + 1)]
        last = "".join(str(i) for i, row in enumerate(cell.matrix) if row[-1])
        return "|".join([*shown, f"output:{last}"])


def _cell(choices: Mapping[str, str | None]) -> Cell:
    """All seven vertices."""
    return Cell(
        tuple(
            tuple(int(i < j and choices[f"{i}->{j}"] == "yes") for j in range(VERTICES))
            for i in range(VERTICES)
        ),
        tuple(str(choices[f"op{v}"]) for v in INNER),
    )


def _build(g: Builder, cell: Cell, x: int, channels: tuple[int, int], key: str) -> int:
    """Add the cell that reads node ``x``; ``channels`` are those of its input and output."""
    last = len(cell.matrix) - 1
    width = vertex_channels(cell, *channels)

    def projection(v: int) -> list[int]:
        there = cell.matrix[0][v]
        return [g.chain(conv_bn(width[v]), x, key=f"{key}/0->{v}/projection")] if there else []

    def cut(i: int, v: int) -> int:
        fits = width[i] == width[v]
        return g.chain(() if fits else (Truncate(width[v]),), values[i], key=f"{key}/{i}->{v}")

    values = [x]
    for v, op in enumerate(cell.ops, 1):
        terms = [cut(i, v) for i in range(1, v) if cell.matrix[i][v]] + projection(v)
        y = g.add(*terms, key=f"{key}/{v}/sum")
        kernel = 3 if op == "conv3x3-bn-relu" else 1
        made = (MaxPool(3),) if op == "maxpool3x3" else conv_bn(width[v], kernel)
        values.append(g.chain(made, y, key=f"{key}/{v}/{op}"))
    read = [values[v] for v in range(1, last) if cell.matrix[v][last]]
    joined = [g.concat(*read, key=f"{key}/concat")] if read else []
    return g.add(*joined, *projection(last), key=f"{key}/sum")
