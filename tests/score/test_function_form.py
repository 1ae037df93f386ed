"""Which scores see in what form a function is written: exactly those that do not declare it."""

import pytest
import torch

from nascout.errors import UnsupportedNetwork
from nascout.graph import digest
from nascout.graph.function import function_digest
from nascout.network import build
from nascout.score.card import SCORES
from nascout.space import SPACES

SPACE = SPACES["nasbench201"](channels=4, cells=1, classes=4, input_shape=(3, 8, 8))
CONV1, CONV3 = "nor_conv_1x1", "nor_conv_3x3"

# Cells of one function, whose weights that count stand in the same places.
DEAD_ENDS = [  # a convolution leads nowhere
    f"|{CONV3}~0|+|{one}~0|none~1|+|skip_connect~0|{CONV1}~1|none~2|" for one in (CONV1, CONV3)
]
SUMS = [  # of three convolutions, at once and after one another
    f"|{CONV3}~0|+|{CONV1}~0|none~1|+|{CONV3}~0|skip_connect~1|skip_connect~2|",
    f"|{CONV3}~0|+|{CONV1}~0|skip_connect~1|+|{CONV3}~0|none~1|skip_connect~2|",
]


def graphs(pair):
    return [SPACE.parse(text).graph() for text in pair]


@pytest.mark.parametrize("pair", [DEAD_ENDS, SUMS])
def test_the_pairs_are_of_one_function(pair):
    one, other = graphs(pair)
    assert digest(one) != digest(other) and function_digest(one) == function_digest(other)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SCORES))
def test_a_score_minds_the_form_or_declares_that_it_does_not(name):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(8, 3, 8, 8, generator=generator, dtype=torch.float64), torch.arange(8) % 4
    card, minds = SCORES[name], False
    for pair in map(graphs, (DEAD_ENDS, SUMS)):
        try:
            one, other = (card(build(graph, 1, dtype=torch.float64), x, y) for graph in pair)
        except UnsupportedNetwork:
            assert name in ("epsilon_rnn", "hidden_covariance")
            assert "function form" not in card.invariances
            return
        minds |= one != pytest.approx(other, rel=1e-9)
    assert minds == ("function form" not in card.invariances)
