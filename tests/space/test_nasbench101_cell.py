"""The cell of NAS-Bench-101: pruning, channels, hash."""

import itertools
import random

import pytest

from nascout.space.nasbench101_cell import Cell, cell_hash, prune, vertex_channels

OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")


def cell(vertices, edges, ops=None):
    matrix = tuple(tuple(int((i, j) in edges) for j in range(vertices)) for i in range(vertices))
    return Cell(matrix, ops or tuple("abcde"[: vertices - 2]))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (cell(2, {(0, 1)}), cell(2, {(0, 1)})),
        (cell(4, {(0, 1), (1, 3), (2, 3)}), cell(3, {(0, 1), (1, 2)}, ("a",))),
        (cell(4, {(0, 1), (1, 2), (0, 3)}), cell(2, {(0, 1)})),
        (cell(5, {(0, 2), (2, 4), (1, 2), (2, 3)}), cell(3, {(0, 1), (1, 2)}, ("b",))),
        (cell(4, {(0, 1), (2, 3)}), None),
        (cell(3, set()), None),
    ],
)
def test_prune(given, wanted):
    assert prune(given) == wanted


@pytest.mark.parametrize(
    ("given", "c_out", "wanted"),
    [
        (cell(2, {(0, 1)}), 8, [5, 8]),
        (cell(4, {(0, 1), (1, 2), (2, 3)}), 8, [5, 8, 8, 8]),
        # Three share eight: the first two take the remainder.
        (cell(5, {(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)}), 8, [5, 3, 3, 2, 8]),
        # The edge from input to output takes no share.
        (cell(4, {(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)}), 8, [5, 4, 4, 8]),
        # Vertex 1 feeds 3 (three channels) and 4 (two): as wide as the widest.
        (cell(6, {(0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (3, 5), (4, 5)}), 8, [5, 3, 3, 3, 2, 8]),
    ],
)
def test_channels(given, c_out, wanted):
    assert vertex_channels(given, 5, c_out) == wanted


def distinct(vertices):
    """The hashes of all cells that need exactly this many vertices, and at most nine edges."""
    pairs = [(i, j) for j in range(vertices) for i in range(j)]
    found = set()
    for chosen in itertools.product((False, True), repeat=len(pairs)):
        made = cell(vertices, set(itertools.compress(pairs, chosen)))
        if prune(made) == made and made.edges <= 9:
            choices = itertools.product(OPS, repeat=vertices - 2)
            found |= {cell_hash(made._replace(ops=ops), OPS) for ops in choices}
    return found


@pytest.mark.parametrize(("most", "count"), [(3, 7), (4, 91)])
def test_counts_of_distinct_cells(most, count):
    """7 cells of at most three vertices, 91 of at most four (EC-NAS-Bench, arXiv:2210.06015)."""
    assert sum(len(distinct(vertices)) for vertices in range(2, most + 1)) == count


@pytest.mark.slow
def test_count_of_distinct_cells_of_five_vertices():
    """2,532 of at most five (EC-NAS-Bench)."""
    assert len(distinct(5)) == 2532 - 91


def test_isomorphic_cells_have_one_hash():
    rng = random.Random(0)
    for _ in range(20):
        ops = tuple(rng.choice(OPS) for _ in range(3))
        edges = {(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)}
        hashes = {
            cell_hash(cell(5, edges, permuted), OPS) for permuted in itertools.permutations(ops)
        }
        assert len(hashes) == 1
