import pytest
import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.score.l2_norm import l2_norm


def test_every_tensor_of_weights_adds_its_norm():
    net = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1), nn.Conv1d(1, 1, 2))
    net[0].weight.data = torch.tensor([[3.0, -4.0]])
    net[2].weight.data = torch.tensor([[[5.0, 12.0]]])
    assert l2_norm(net) == 5 + 13


def test_a_shared_tensor_counts_once_and_an_embedding_not_at_all():
    net = nn.Sequential(nn.Embedding(4, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    net[2].weight = net[1].weight
    net[1].weight.data = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
    assert l2_norm(net) == 5


def test_low_precision_does_not_overflow():
    net = nn.Linear(1, 2, bias=False).to(torch.float16)
    net.weight.data = torch.tensor([[30_000.0], [40_000.0]], dtype=torch.float16)
    assert l2_norm(net) == 50_000


def test_without_weights_it_says_so():
    with pytest.raises(UnsupportedNetwork, match="no weights"):
        l2_norm(nn.BatchNorm1d(3))
