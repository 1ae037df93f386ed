"""AmoebaNet: its published count, its size, its notation."""

from nascout.graph import graph_cost
from nascout.space import SPACES


def test_published_parameters():
    """AmoebaNet-A with N = 6, F = 36 has 3.2M (table 1)."""
    space = SPACES["amoebanet"]()
    params = graph_cost(space.parse(space.known["amoebanet_a"]).graph()).params
    assert round(params / 1e6, 1) == 3.2


def test_the_published_text_is_the_notation():
    """Loose ends are what the text concatenates."""
    space = SPACES["amoebanet"]()
    text = space.known["amoebanet_a"]
    assert str(space.parse(text)) == text


def test_size():
    """Two of 2, 3, 4, 5, 6 states and two of eight operations per block, two cells."""
    assert SPACES["amoebanet"]().size == ((2 * 3 * 4 * 5 * 6) ** 2 * 8**10) ** 2
