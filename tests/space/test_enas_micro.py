"""ENAS micro: the released cells, their counts, their notation."""

import pytest

from nascout.errors import ArchitectureError
from nascout.graph import graph_cost
from nascout.space import SPACES


@pytest.fixture
def released():
    space = SPACES["enas_micro"]()
    return space.parse(space.known["enas_micro"])


def test_the_released_cells(released):
    """Four numbers per block: state, operation, state, operation."""
    cells = released.space.genotype(released)
    assert [tuple(end) for block in cells["normal"].blocks for end in block.ends] == [
        *(("avg_pool_3x3", 0), ("sep_conv_3x3", 0), ("skip_connect", 0), ("sep_conv_5x5", 0)),
        *(("skip_connect", 0), ("sep_conv_5x5", 1), ("sep_conv_3x3", 1), ("sep_conv_5x5", 0)),
        *(("avg_pool_3x3", 0), ("sep_conv_5x5", 1)),
    ]
    assert cells["normal"].concat == (2, 3, 4, 5, 6)
    assert cells["reduce"].concat == (2, 4, 5, 6)
    assert str(released) == released.space.known["enas_micro"]


def separable(kernel, c):
    """Twice: filters, 1x1, normalisation."""
    return 2 * (kernel**2 * c + c**2 + 2 * c)


def projection(c_in, c):
    """1x1 convolution and normalisation; a factorized reduction learns as much."""
    return c_in * c + 2 * c


def cell(before, x, c, separables, skips):
    """Three projections of the inputs, h[k-1] twice; then the blocks."""
    inputs = projection(before, c) + projection(x, c) + projection(c, c)
    return inputs + sum(separable(k, c) for k in separables) + skips * projection(c, c)


@pytest.mark.parametrize("stage", [2, 5, 6])
def test_parameters_by_hand(stage):
    """``stage`` normal cells per stage.

    The paper's 4.6M are those of six; the released script trains five.
    """
    channels = [108, 108]
    total = 3 * 9 * 108 + 2 * 108
    for index in range(3 * stage + 2):
        reductions = (index >= stage) + (index >= 2 * stage + 1)
        c = 36 * 2**reductions
        if index in (stage, 2 * stage + 1):
            # The skip that reads an input is a factorized reduction.
            total += cell(*channels[-2:], c, (3, 3, 5, 5, 3, 5), skips=1)
            channels.append(4 * c)
        else:
            total += cell(*channels[-2:], c, (3, 5, 5, 3, 5, 5), skips=0)
            channels.append(5 * c)
    total += 720 * 10
    space = SPACES["enas_micro"](cells=stage)
    assert graph_cost(space.parse(space.known["enas_micro"]).graph()).params == total
    if stage == 6:
        assert round(total / 1e6, 1) == 4.6


def test_auxiliary_head(released):
    """Behind the cell after the second reduction; without a bias, like the classifier."""
    space = SPACES["enas_micro"](auxiliary=True)
    with_head = graph_cost(space.parse(str(released)).graph()).params
    head = 720 * 128 + 2 * 128 + 128 * 768 * 4 + 2 * 768 + 768 * 10
    assert with_head - graph_cost(released.graph()).params == head


def test_an_input_that_nobody_reads_is_concatenated():
    space = SPACES["enas_micro"](blocks=1, cells=1, channels=2)
    arch = space.parse("0 0 0 0 0 0 0 0")
    assert [cell.concat for cell in space.genotype(arch).values()] == [(1, 2), (1, 2)]
    graph = arch.graph()
    shapes = {node.key: shape for node, shape in zip(graph, graph.shapes, strict=True)}
    assert shapes["cell0/concat"] == (4, 32, 32)
    assert shapes["cell1/concat"] == (8, 16, 16)
    assert "cell1/1->concat/odd" in shapes
    assert "cell1/1->concat/relu" not in shapes


def test_size():
    """Two of 2, 3, 4, 5, 6 states and two of five operations per block, two cells."""
    assert SPACES["enas_micro"]().size == ((2 * 3 * 4 * 5 * 6) ** 2 * 5**10) ** 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 2 0 0", "Write 40 numbers"),
        ("0 " * 39 + "-1", "Write 40 numbers"),
        ("0 " * 39 + "5", "'reduce6_op2' of enas_micro cannot be '5'"),
        ("2 " + "0 " * 39, "'normal2_input1' of enas_micro cannot be '2'"),
    ],
)
def test_malformed_text(text, message):
    with pytest.raises(ArchitectureError, match=message):
        SPACES["enas_micro"]().parse(text)
