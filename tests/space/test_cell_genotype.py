"""The notation of cells, read and written; hostile text is refused."""

import pytest

from nascout.errors import ArchitectureError
from nascout.space.cell_genotype import (
    Block,
    Cell,
    End,
    blocks_of,
    colours,
    format_genotype,
    loose_ends,
    read_genotype,
)

PAIRS = [("sep_conv_3x3", 0), ("skip_connect", 1), ("skip_connect", 2), ("skip_connect", 0)]


def test_written_as_darts_prints_it():
    cells = {"normal": Cell(blocks_of(PAIRS), (3,))}
    text = format_genotype(cells)
    assert text == (
        "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ('skip_connect', 2), "
        "('skip_connect', 0)], normal_concat=[3])"
    )
    assert read_genotype(text) == {"normal": PAIRS, "normal_concat": [3]}


def test_combinations_are_written_if_any_concatenates():
    blocks = blocks_of(PAIRS, ["concat", "add"])
    assert blocks[0] == Block((End("sep_conv_3x3", 0), End("skip_connect", 1)), "concat")
    assert "normal_combine=['concat', 'add']" in format_genotype({"normal": Cell(blocks, (3,))})


@pytest.mark.parametrize(
    "text",
    [
        "Genotype",
        "Genotype(1)",
        "Genotype(a=b)",
        "Genotype(a=__import__('os'))",
        "Genotype(a=range(1))",
        "Genotype(a=range('x', 'y'))",
        "Genotype(a=1, a=2)",
        "os.Genotype(a=1)",
        "Genotype(a=" + "(" * 10_000 + ")" * 10_000 + ")",
        "Genotype(a=\0)",
        "lambda: 0",
    ],
)
def test_other_text_is_refused(text):
    with pytest.raises(ArchitectureError, match="Write it like Genotype"):
        read_genotype(text)


def test_a_huge_range_stays_short():
    assert len(read_genotype("Genotype(a=range(2, 1000000000000))")["a"]) == 100


def test_loose_ends():
    assert loose_ends(blocks_of(PAIRS)) == (3,)
    assert loose_ends(blocks_of([("a", 1), ("b", 1), ("a", 1), ("b", 1)])) == (0, 2, 3)


def test_colours_tell_who_reads():
    """Blocks 2 and 3 are made alike; 4 reads only 3."""
    blocks = blocks_of([("a", 0), ("b", 1), ("b", 1), ("a", 0), ("a", 3), ("a", 0)])
    _, _, two, three, _ = colours(Cell(blocks, (2, 4)))
    assert two != three
    swapped = blocks_of([("a", 0), ("b", 1), ("b", 1), ("a", 0), ("a", 2), ("a", 0)])
    found = colours(Cell(swapped, (3, 4)))
    assert (found[3], found[2]) == (two, three)
