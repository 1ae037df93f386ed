"""The battery every training-free score has to pass.

In a third party's tests::

    from nascout.testing.score import check_score

    def test_my_score():
        check_score("my_score")
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascout.errors import UnsupportedNetwork
from nascout.network import build
from nascout.score.card import SCORES, Card
from nascout.space.nasbench201 import NasBench201
from nascout.testing.unchanged import Snapshot, equal

__all__ = ["check_score", "networks"]

Network = Callable[[], nn.Module]


def check_score(score: str | Card) -> None:
    """Check a score against its contract on small networks of different make.

    On each it gives one number, the same at every call and whatever the global generators hold;
    network, batch and generators stay bit by bit as they were, also where the network fails in
    the middle; the failure gets out. Or it raises ``UnsupportedNetwork``, but not on all.

    Args:
        score: a registered name, or a card that is not registered.

    Raises:
        AssertionError: which promise the score breaks, and on which network.

    Example:
        >>> check_score("params")
    """
    card = SCORES[score] if isinstance(score, str) else score
    supported = [_holds(card, name, make) for name, make in networks().items()]
    assert any(supported), f"{card.name} supports none of {', '.join(networks())}"


def networks() -> dict[str, Network]:
    """Constructors of small networks for a batch (n, 3, 8, 8), four classes each.

    >>> sorted(networks())
    ['convnet', 'dict', 'dropout', 'frozen', 'functional', 'nasbench201', 'used']
    """
    return {
        "convnet": _convnet,
        "functional": _Functional,
        "dict": lambda: _Wrapped(_convnet()),
        "dropout": lambda: nn.Sequential(nn.Dropout(0.3), _convnet()),
        "frozen": lambda: _convnet().requires_grad_(False).eval(),
        "used": _used,
        "nasbench201": _cell,
    }


def _holds(card: Card, name: str, make: Network) -> bool:
    """Whether the score supports the network; ``AssertionError`` if it breaks a promise on it."""
    net = _made(make)
    try:
        value = _same_at_every_call(card, name, net)
    except UnsupportedNetwork:
        value = None
    for call in (1, 2):
        _fails_cleanly(card, name, _made(make), call)
    return value is not None


def _same_at_every_call(card: Card, name: str, net: nn.Module) -> float:
    first = _checked_call(card, name, net)
    assert isinstance(first, float), f"{card.name} gives a {type(first).__name__}, not a float"
    for seed in (1, 2):
        _seed_all(seed)
        again = _checked_call(card, name, net)
        assert equal(first, again), (
            f"{card.name} on {name!r} gives {first}, then {again}: "
            "it depends on a global generator or on an earlier call"
        )
    return first


def _checked_call(card: Card, name: str, net: nn.Module) -> Any:
    """Call the score; whatever happens, nothing may have changed."""
    x, y = _batch()
    before, x_before, y_before = Snapshot(net), x.clone(), y.clone()
    ending = "returning"
    try:
        return card(net, x, y)
    except Exception:
        ending = "raising"
        raise
    finally:
        changes = before.changes(net)
        if not (equal(x, x_before) and equal(y, y_before)) or x.requires_grad or x.grad is not None:
            changes.append("the batch")
        # Stops any exception on its way: a broken promise is the finding.
        assert not changes, f"{card.name} on {name!r} changes, when {ending}: {', '.join(changes)}"


class Broken(Exception):
    """What the network raises in the middle of a score."""


def _fails_cleanly(card: Card, name: str, net: nn.Module, call: int) -> None:
    """Let one of the network's modules raise at its ``call``-th call during the score."""
    leaf = [module for module in net.modules() if not list(module.children())][-1]
    forward, calls = leaf.forward, iter(range(1, 1000))
    broke = False

    def breaking(*inputs: Any, **options: Any) -> Any:
        nonlocal broke
        if next(calls) == call:
            broke = True
            raise Broken
        return forward(*inputs, **options)

    leaf.forward = breaking
    try:
        _checked_call(card, name, net)
    except (Broken, UnsupportedNetwork):
        return
    assert not broke, f"{card.name} on {name!r} returns a value though the network failed"


def _made(make: Network) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def _batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(8, 3, 8, 8, generator=generator), torch.arange(8) % 4


def _seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _convnet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True)),
        *(nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 4)),
    )


class _Functional(nn.Module):
    """Residual, functional ReLUs, one module called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.block = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, 3, 8, 8)."""
        x = self.stem(x)
        for _ in range(2):
            x = x + self.block(F.relu(x))
        output: Tensor = self.head(x.relu().mean((2, 3)))
        return output


class _Wrapped(nn.Module):
    """Gives a dict with the logits first."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x: (n, 3, 8, 8)."""
        logits = self.net(x)
        return {"logits": logits, "doubled": 2 * logits}


def _used() -> nn.Module:
    """In use already: statistics, gradients, a hook, and modules in different modes."""
    net = _convnet()
    x, _ = _batch()
    net(x).sum().backward()
    modules = list(net.modules())
    for module in modules[::2]:
        module.eval()
    net.register_forward_hook(lambda *_: None)
    return net


def _cell() -> nn.Module:
    space = NasBench201(channels=4, cells=1, classes=4, input_shape=(3, 8, 8))
    ops = ("nor_conv_3x3", "none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3")
    return build(space.decode([float(o == op) for op in ops for o in space.decisions[0].options]))
