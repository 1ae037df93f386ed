"""Small networks of different make, each with a batch: what every score is tried on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascout.network import build
from nascout.score.inputs import Inputs
from nascout.space.nasbench201 import NasBench201

__all__ = ["NETWORKS", "Example"]

SAMPLES, CLASSES = 8, 4


@dataclass(frozen=True)
class Example:
    """A network of four classes, and what it is fed.

    >>> images, labels = NETWORKS["convnet"].batch()
    >>> images.shape, NETWORKS["convnet"].make()(images).shape, labels.tolist()
    (torch.Size([8, 3, 8, 8]), torch.Size([8, 4]), [0, 1, 2, 3, 0, 1, 2, 3])

    Attributes:
        create: constructs the network, drawing from torch's global generator.
        inputs: draws a batch of eight samples.
        head: the name of the linear layer that gives the outputs.
        draws: whether it draws random numbers of its own, sample by sample.
    """

    create: Callable[[], nn.Module]
    inputs: Callable[[torch.Generator], Inputs]
    head: str = "head"
    draws: bool = False

    def make(self) -> nn.Module:
        """The network; the same at every call."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            return self.create()

    def batch(self) -> tuple[Inputs, Tensor]:
        """Inputs and labels; the same at every call."""
        inputs = self.inputs(torch.Generator().manual_seed(0))
        return inputs, torch.arange(SAMPLES) % CLASSES


def _images(generator: torch.Generator) -> Tensor:
    return torch.randn(SAMPLES, 3, 8, 8, generator=generator)


def _sequences(generator: torch.Generator) -> Tensor:
    return torch.randn(SAMPLES, 5, 6, generator=generator)


def _tokens(generator: torch.Generator) -> Tensor:
    return torch.randint(11, (SAMPLES, 5), generator=generator)


def _pair(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return _images(generator), torch.randn(SAMPLES, 6, generator=generator)


def _named(generator: torch.Generator) -> dict[str, Tensor]:
    image, vector = _pair(generator)
    return {"image": image, "vector": vector}


class _Stack(nn.Sequential):
    """Layers under a name each: ``body`` and ``head``."""

    def __init__(self, *layers: nn.Module, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(features, CLASSES)


def _convnet() -> nn.Module:
    return _Stack(
        *(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True)),
        *(nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten()),
        features=32,
    )


def _without_normalisation() -> nn.Module:
    return _Stack(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 8, 3), nn.LeakyReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        features=8,
    )


class _Residual(nn.Module):
    """A residual block with a projection on its shortcut, between a stem and a pooling head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))
        self.first = nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(8)
        self.shortcut = nn.Sequential(nn.Conv2d(6, 8, 1, 2, bias=False), nn.BatchNorm2d(8))
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, 3, 8, 8)."""
        x = self.relu(self.stem(x))
        y = self.norm2(self.second(self.relu(self.norm1(self.first(x)))))
        x = self.relu(y + self.shortcut(x))
        output: Tensor = self.head(self.pool(x).flatten(1))
        return output


class _Functional(nn.Module):
    """Functional ReLUs and convolution, and one module called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Parameter(torch.randn(8, 3, 3, 3) / 5)
        self.block = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, 3, 8, 8)."""
        x = F.conv2d(x, self.stem, padding=1)
        for _ in range(2):
            x = x + self.block(F.relu(x))
        output: Tensor = self.head(x.relu().mean((2, 3)))
        return output


class _PartlyUnused(nn.Module):
    """A convnet, a branch that is never called, and one whose output goes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.never = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.nowhere = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, 3, 8, 8)."""
        self.nowhere(x)
        output: Tensor = self.head(self.body(x).flatten(1))
        return output


class _Transformer(nn.Module):
    """Two pre-normalised blocks of attention and GELU over sequences of vectors or tokens."""

    def __init__(self, embed: nn.Module) -> None:
        super().__init__()
        self.embed = embed
        self.attention = nn.ModuleList(
            nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(2)
        )
        self.mlp = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
            for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(2))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, 5, features), or tokens (n, 5)."""
        x = self.embed(x)
        for attention, norm, mlp in zip(self.attention, self.norms, self.mlp, strict=True):
            y = norm(x)
            x = x + attention(y, y, y, need_weights=False)[0]
            x = x + mlp(x)
        output: Tensor = self.head(x.mean(1))
        return output


class _Recurrent(nn.Module):
    """Classifies by the last hidden state of an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 8, num_layers=2, batch_first=True)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, 5, 6)."""
        output: Tensor = self.head(self.lstm(x)[0][:, -1])
        return output


class _TwoInputs(nn.Module):
    """An image and a vector, by position or by name."""

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.vector = nn.Sequential(nn.Linear(6, 8), nn.ReLU())
        self.head = nn.Linear(16, CLASSES)

    def forward(self, image: Tensor, vector: Tensor) -> Tensor:
        """image: (n, 3, 8, 8), vector: (n, 6)."""
        both = torch.cat([self.image(image).flatten(1), self.vector(vector)], 1)
        output: Tensor = self.head(both)
        return output


class _Wrapped(nn.Module):
    """Gives a dict with the logits first."""

    def __init__(self) -> None:
        super().__init__()
        self.net = _convnet()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x: (n, 3, 8, 8)."""
        logits = self.net(x)
        return {"logits": logits, "doubled": 2 * logits}


def _used() -> nn.Module:
    """In use already: statistics, gradients, a hook, and modules in different modes."""
    net = _convnet()
    net(_images(torch.Generator().manual_seed(1))).sum().backward()
    for module in list(net.modules())[::2]:
        module.eval()
    net.register_forward_hook(lambda *_: None)
    return net


def _cell() -> nn.Module:
    space = NasBench201(channels=4, cells=1, classes=CLASSES, input_shape=(3, 8, 8))
    ops = ("nor_conv_3x3", "none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3")
    return build(space.decode([float(o == op) for op in ops for o in space.decisions[0].options]))


NETWORKS: Mapping[str, Example] = MappingProxyType(
    {
        "bfloat16": Example(
            lambda: _convnet().bfloat16(), lambda generator: _images(generator).bfloat16()
        ),
        "convnet": Example(_convnet, _images),
        "dict output": Example(_Wrapped, _images, head="net.head"),
        "dropout": Example(
            lambda: _Stack(nn.Dropout(0.3), nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), features=8),
            _images,
            draws=True,
        ),
        "frozen": Example(lambda: _convnet().requires_grad_(False).eval(), _images),
        "functional": Example(_Functional, _images),
        "lstm": Example(_Recurrent, _sequences),
        "named inputs": Example(_TwoInputs, _named),
        "nasbench201": Example(_cell, _images, head="head.linear"),
        "no normalisation": Example(_without_normalisation, _images),
        "partly unused": Example(_PartlyUnused, _images),
        "residual": Example(_Residual, _images),
        "tokens": Example(lambda: _Transformer(nn.Embedding(11, 8)), _tokens),
        "transformer": Example(lambda: _Transformer(nn.Linear(6, 8)), _sequences),
        "two inputs": Example(_TwoInputs, _pair),
        "used": Example(_used, _images),
    }
)
