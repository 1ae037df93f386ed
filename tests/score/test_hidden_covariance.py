"""Hidden covariance: closed forms, the formula in numpy, and the published table."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import hadamard
from scipy.stats import spearmanr
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.network.recurrent_recipe import RecipeLanguageModel
from nascout.records import Outcome
from nascout.score.evaluate import evaluate
from nascout.score.hidden_covariance import hidden_covariance, hidden_covariances

K = 1e-5


class Given(nn.Module):
    """Its input is its hidden state."""

    def forward(self, x):
        return x


def score_of(states):
    return hidden_covariance(Given(), states, cells=(Given,))


def closed_form(*eigenvalues):
    return -sum(math.log(v + K) + 1 / (v + K) for v in eigenvalues)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


ORTHOGONAL = torch.tensor(hadamard(8)[:, 1:]).float()  # 8 observations of 7 units, mean zero


def test_orthogonal_units_have_the_best_score():
    assert score_of(ORTHOGONAL) == pytest.approx(closed_form(*[1] * 7), rel=1e-12)


def test_scale_and_shift_of_a_unit_do_not_count():
    moved = ORTHOGONAL * torch.arange(1, 8) + torch.arange(7)
    assert score_of(moved) == pytest.approx(closed_form(*[1] * 7), rel=1e-9)


def test_equal_units():
    """Each pair of equal units: eigenvalues 2 and 0. Seven units all alike: 7 and six zeros."""
    pairs = torch.cat([ORTHOGONAL[:, :3], -2 * ORTHOGONAL[:, :3]], 1)
    assert score_of(pairs) == pytest.approx(closed_form(2, 2, 2, 0, 0, 0), rel=1e-6)
    alike = ORTHOGONAL[:, :1].expand(8, 7)
    assert score_of(alike) == pytest.approx(closed_form(7, *[0] * 6), rel=1e-6)


def test_fewer_observations_than_units_leave_eigenvalues_of_zero():
    """Three observations, centred, span two dimensions of ten."""
    score = score_of(noise(3, 10))
    assert score // (1 / K + math.log(K)) == -9  # eight zeros, and a rest below one more


def test_a_unit_that_does_not_move_and_a_single_observation_are_undefined():
    still = torch.cat([ORTHOGONAL, torch.ones(8, 1)], 1)
    assert math.isnan(score_of(still))
    assert math.isnan(score_of(ORTHOGONAL[:1]))


def in_numpy(states):
    """C = (H - M)(H - M)ᵀ for H units by observations, and the sum, as the paper writes them."""
    h = states.detach().double().numpy().T
    c = (h - h.mean(1, keepdims=True)) @ (h - h.mean(1, keepdims=True)).T
    r = c / np.sqrt(np.outer(np.diag(c), np.diag(c)))
    v = np.linalg.eigvals(r).real
    return -np.sum(np.log(v + K) + 1 / (v + K))


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_against_the_formula_in_numpy(kind):
    first, second = kind(3, 6, batch_first=True), kind(6, 4, batch_first=True)

    class Stack(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = first, second

        def forward(self, x):
            return self.second(self.first(x)[0])

    x = noise(9, 5, 3)
    expected = [in_numpy(first(x)[0].flatten(0, 1))]
    expected.append(in_numpy(second(first(x)[0])[0].flatten(0, 1)))
    assert hidden_covariances(Stack(), x) == pytest.approx(expected, rel=1e-4)
    assert hidden_covariance(Stack(), x) == hidden_covariances(Stack(), x)[0]
    assert hidden_covariance(Stack(), x, layer=2) == hidden_covariances(Stack(), x)[1]


def test_dropout_is_off_and_other_precisions_are_read():
    torch.manual_seed(0)
    net = nn.LSTM(3, 4, 2, dropout=0.5, batch_first=True)
    x = noise(20, 5, 3)
    found = hidden_covariances(net, x)
    assert found[1] == pytest.approx(in_numpy(net.eval()(x)[0].flatten(0, 1)), rel=1e-4)
    half = net.to(torch.bfloat16).requires_grad_(False)
    assert hidden_covariances(half, x.bfloat16()) == pytest.approx(found, rel=0.1)


def test_networks_and_layers_it_cannot_read():
    convnet = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    with pytest.raises(UnsupportedNetwork, match="no recurrent layer"):
        hidden_covariance(convnet, noise(2, 3, 5, 5))
    assert evaluate(convnet, noise(2, 3, 5, 5), "hidden_covariance").outcome is Outcome.UNSUPPORTED
    for layer in (0, 3):
        with pytest.raises(UnsupportedNetwork, match=f"layer {layer} of 2"):
            hidden_covariance(nn.GRU(3, 4, 2), noise(5, 2, 3), layer=layer)


@pytest.mark.slow
def test_the_published_table_of_nas_bench_nlp(shared_data):
    """Other weights and another text, so not its values: their size and their order."""
    pandas = pytest.importorskip("pandas")
    table = pandas.read_parquet(shared_data / "nasbench_nlp_ptb.parquet")
    recipes = pandas.read_parquet(shared_data / "nasbench_nlp_recipes.parquet")
    table = table.merge(recipes.drop_duplicates("recipe_id"), on="recipe_id")
    table = table.sort_values("Layer 1 Hidden Covariance").iloc[4::10]
    # As Zipf has it: a text's frequent words are few.
    drawn = torch.rand(10, 70, generator=torch.Generator().manual_seed(0))
    tokens = (1000**drawn).long()
    published = table[[f"Layer {k} Hidden Covariance" for k in (1, 2, 3)]].to_numpy()
    ours = np.array(
        [hidden_covariances(RecipeLanguageModel(text, 1000), tokens) for text in table["recipe"]]
    )
    for layer in range(3):
        assert spearmanr(ours[:, layer], published[:, layer]).statistic > 0.7
        ratio = np.abs(np.log(ours[:, layer] / published[:, layer]))
        assert np.median(ratio) < math.log(10)
