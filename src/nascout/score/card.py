"""What is known of a training-free score, and the registry of scores."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from torch import Tensor, nn

from nascout.registry import Registry

__all__ = ["SCORES", "Card", "Needs", "score"]

Needs = Literal["network", "inputs", "labels"]
DEFAULT: Final = "naswot"


@dataclass(frozen=True)
class Card:
    """A score: a pure function of a network and what it ``needs``.

    ``needs="network"`` calls ``function(net, example)``, where ``example`` is one batch that
    only tells sizes (``None`` if there is none); ``"inputs"`` calls ``function(net, x)`` and
    ``"labels"`` ``function(net, x, y)``. ``summary`` is the first line of its docstring.
    """

    name: str
    function: Callable[..., float]
    needs: Needs
    higher_is_better: bool
    paper: str
    summary: str

    def __call__(self, net: nn.Module, x: Tensor | None, y: Tensor | None = None) -> float:
        """Evaluate with as much of the batch as the score needs."""
        if self.needs == "labels":
            return float(self.function(net, x, y))
        return float(self.function(net, x))


SCORES: Registry[Card] = Registry(
    "score", modules=("nascout.score.counts", "nascout.score.naswot", "nascout.score.epsilon")
)


def score(
    name: str, *, paper: str = "", needs: Needs = "inputs", higher_is_better: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the function below as the score ``name``; the function itself stays as it is."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        summary = (inspect.getdoc(function) or "").partition("\n")[0]
        SCORES.add(name, Card(name, function, needs, higher_is_better, paper, summary))
        return function

    return register
