"""Networks that were not written for nascout, and two that were."""

import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.network import build
from nascout.space import SPACES


class Block(nn.Module):
    """Two convolutions and a skip; one ReLU, in place, is called twice, as torchvision does."""

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        fits = channels == width and stride == 1
        self.skip = nn.Identity() if fits else nn.Conv2d(channels, width, 1, stride)

    def forward(self, x):
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        y += self.skip(x)
        return self.relu(y)


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(True))
        self.layer1 = nn.Sequential(Block(6, 6, 1), Block(6, 6, 1))
        self.layer2 = nn.Sequential(Block(6, 8, 2), Block(8, 8, 1))
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(8, 5)
        self.auxiliary = nn.Linear(8, 2)  # that the forward pass does not use

    def forward(self, x):
        x = self.layer2(self.layer1(self.stem(x)))
        return self.head(self.drop(F.adaptive_avg_pool2d(x, 1).flatten(1)))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(12, 10), nn.Linear(10, 10), nn.Linear(10, 10)])
        self.head = nn.Linear(10, 5)

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers:
            x = F.dropout(layer(x).relu_(), 0.3, self.training)
        return self.head(x)


class Attended(nn.Module):
    def __init__(self):
        super().__init__()
        self.before = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)
        self.between = nn.LayerNorm(8)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8), nn.Dropout(0.1))

    def forward(self, x):
        y = self.before(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.between(x))


class Transformer(nn.Module):
    """Tokens (n, 7) to logits (n, 7, 11); the decoder's matrix is the embedding's."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.position = nn.Parameter(torch.randn(1, 16, 8) * 0.1)
        self.blocks = nn.ModuleList([Attended(), Attended()])
        self.decoder = nn.Linear(8, 11, bias=False)
        self.decoder.weight = self.embedding.weight

    def forward(self, tokens):
        _, t = tokens.shape
        x = self.embedding(tokens) + self.position[:, :t]
        for block in self.blocks:
            x = block(x)
        return self.decoder(x)


def nasbench201():
    space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(3, 8, 8), classes=5)
    return build(space.parse(CELL))


CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|avg_pool_3x3~2|"


def darts():
    space = SPACES["darts"](channels=4, cells=3, input_shape=(3, 8, 8), classes=5)
    return build(space.sample(random.Random(3)))


MODELS = {
    "cnn": (Cnn, (3, 8, 8)),
    "mlp": (Mlp, (3, 2, 2)),
    "transformer": (Transformer, None),
    "nasbench201": (nasbench201, (3, 8, 8)),
    "darts": (darts, (3, 8, 8)),
}


def make(name):
    """A model with weights, and statistics of normalisation, that are not the initial ones."""
    torch.manual_seed(7)
    model = MODELS[name][0]()
    with torch.no_grad():
        for _ in range(2):
            model(batch(name, 6))
    return model


def batch(name, n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = MODELS[name][1]
    if shape is None:
        return torch.randint(11, (n, 7), generator=generator)
    return torch.randn(n, *shape, generator=generator)


@pytest.fixture(scope="session")
def models():
    """``models(name)``: a trained-looking model; ``models.batch(name, n)``: inputs for it."""
    make.batch, make.names = batch, tuple(MODELS)
    return make
