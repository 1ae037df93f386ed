"""Which parameters are weights."""

import torch
from torch import nn

from nascout.score.weights import weights


def test_kernels_and_matrices_of_every_kind_count():
    net = nn.ModuleDict(
        {
            "conv": nn.ConvTranspose1d(2, 3, 3),
            "lstm": nn.LSTM(2, 3),
            "attention": nn.MultiheadAttention(4, 2),
        }
    )
    assert set(weights(net)) == {
        "conv.weight",
        *("lstm.weight_ih_l0", "lstm.weight_hh_l0"),
        *("attention.in_proj_weight", "attention.out_proj.weight"),
    }


def test_embeddings_normalisations_and_biases_do_not():
    net = nn.Sequential(
        *(nn.Embedding(5, 4), nn.EmbeddingBag(5, 4), nn.LayerNorm((3, 4)), nn.RMSNorm((3, 4))),
        *(nn.BatchNorm2d(3), nn.GroupNorm(1, 3)),
    )
    assert weights(net) == {}


def test_a_shared_matrix_counts_once():
    one = nn.Linear(3, 3)
    assert list(weights(nn.Sequential(one, nn.ReLU(), one))) == ["0.weight"]


def test_integers_are_no_weights():
    net = nn.Module()
    net.table = nn.Parameter(torch.zeros(2, 2, dtype=torch.long), requires_grad=False)
    assert weights(net) == {}
