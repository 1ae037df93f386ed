"""Three networks that know nothing of nascout, for images of 8 x 8 with one channel."""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width, stride):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.skip = nn.AvgPool2d(stride)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)) + self.skip(x), inplace=True)


class Cnn(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.layer1 = Block(width, 1)
        self.layer2 = Block(width, 2)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = self.layer2(self.layer1(self.stem(x).relu_()))
        return self.head(x.mean((2, 3)))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.ModuleList([nn.Linear(64, 12), nn.Linear(12, 12)])
        self.head = nn.Linear(12, 10)

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.hidden:
            x = F.dropout(torch.tanh(layer(x)), 0.1, self.training)
        return self.head(x)


class Attended(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.between = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x):
        y = self.before(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.between(x))


class Transformer(nn.Module):
    """Sixteen patches of 2 x 2 pixels are the tokens."""

    def __init__(self, width=8):
        super().__init__()
        self.patches = nn.Conv2d(1, width, 2, 2)
        self.position = nn.Parameter(0.1 * torch.randn(1, 16, width))
        self.block = Attended(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.block(tokens).mean(1))


def make_cnn():
    return Cnn()


def make_mlp():
    return Mlp()


def make_transformer():
    return Transformer()
