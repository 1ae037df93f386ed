"""PNAS: its published counts, its size, its one cell."""

import pytest

from nascout.errors import ArchitectureError
from nascout.graph import graph_cost
from nascout.space import SPACES

LARGE = {
    "channels": 216,
    "cells": 4,
    "imagenet_stem": True,
    "classes": 1000,
    "input_shape": (3, 331, 331),
}
MOBILE = LARGE | {
    "channels": 54,
    "cells": 3,
    "stem_multiplier": 1,
    "input_shape": (3, 224, 224),
}


@pytest.mark.parametrize(
    ("sizes", "params", "macs"),
    [({}, 3.2, None), (MOBILE, 5.1, 588e6), (LARGE, 86.1, 25.0e9)],
)
def test_published_counts(sizes, params, macs):
    """PNASNet-5 with N = 3, F = 48; N = 3, F = 54; N = 4, F = 216."""
    space = SPACES["pnas"](**sizes)
    cost = graph_cost(space.parse(space.known["pnasnet_5"]).graph())
    assert round(cost.params / 1e6, 1) == params
    assert macs is None or cost.macs == pytest.approx(macs, rel=0.003)


def test_parameters_of_the_released_network():
    """As in the PyTorch conversion of the released weights."""
    space = SPACES["pnas"](**LARGE)
    arch = space.parse(space.known["pnasnet_5"])
    assert graph_cost(arch.graph()).params == 86_057_668


def test_size():
    """Two of 2, 3, 4, 5, 6 states and two of eight operations per block, one cell."""
    assert SPACES["pnas"]().size == (2 * 3 * 4 * 5 * 6) ** 2 * 8**10


def test_one_block():
    """The search starts with them: 256 by notation."""
    assert SPACES["pnas"](blocks=1).size == 256


def test_there_is_no_second_cell():
    space = SPACES["pnas"]()
    text = space.known["pnasnet_5"]
    assert str(space.parse(text)) == text
    with pytest.raises(ArchitectureError, match="Give normal; beside them may stand normal_comb"):
        space.parse(text.replace(")])", ")], reduce=[])").replace("6])", "6], reduce=[])"))
