"""Scoring: networks, architectures or lists of them, by one score or several."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from typing import cast, overload

import torch
from torch import Tensor, nn

from nascout.errors import ConfigError, UnsupportedNetwork
from nascout.network import build
from nascout.network.memory import is_out_of_memory
from nascout.records import Outcome, Score
from nascout.score.card import DEFAULT, SCORES, Card
from nascout.space import Architecture

__all__ = ["evaluate", "resolve"]

Target = nn.Module | Architecture


def resolve(names: str | Iterable[str]) -> list[Card]:
    """The cards of ``names``; ``"default"`` is the default score, ``"all"`` every score.

    Raises:
        UnknownName: a name that no score has.
    """
    cards: dict[str, Card] = {}
    for name in [names] if isinstance(names, str) else names:
        wanted = list(SCORES) if name == "all" else [DEFAULT if name == "default" else name]
        cards |= {one: SCORES[one] for one in wanted}
    return list(cards.values())


@overload
def evaluate(
    target: Target,
    x: Tensor | None = ...,
    names: str = ...,
    *,
    labels: Tensor | None = ...,
    seeds: int = ...,
) -> Score: ...
@overload
def evaluate(
    target: Target,
    x: Tensor | None,
    names: list[str] | tuple[str, ...],
    *,
    labels: Tensor | None = ...,
    seeds: int = ...,
) -> dict[str, Score]: ...
@overload
def evaluate(
    target: Sequence[Target],
    x: Tensor | None = ...,
    names: str = ...,
    *,
    labels: Tensor | None = ...,
    seeds: int = ...,
) -> list[Score]: ...
@overload
def evaluate(
    target: Sequence[Target],
    x: Tensor | None,
    names: list[str] | tuple[str, ...],
    *,
    labels: Tensor | None = ...,
    seeds: int = ...,
) -> list[dict[str, Score]]: ...
def evaluate(
    target: Target | Sequence[Target],
    x: Tensor | None = None,
    names: str | list[str] | tuple[str, ...] = "default",
    *,
    labels: Tensor | None = None,
    seeds: int = 1,
) -> Score | dict[str, Score] | list[Score] | list[dict[str, Score]]:
    """Score one network or many without training them.

    Args:
        target: an ``nn.Module``, an architecture, or a list of them.
        x: (n, ...) a batch of inputs, on the networks' device; not needed by counts of
            architectures.
        names: a score, or several; see ``nascout.scores()``.
        labels: (n,) class indices, for the scores that need them.
        seeds: how many initialisations (0, 1, ...) an architecture is scored with; the value is
            their mean. A module is scored once, with the weights it has.

    Returns:
        A :class:`Score`; a dict by name if ``names`` is a list; a list of those if ``target`` is.
        A value that is not finite, or a lack of memory, is an outcome of the score, not an error.

    Raises:
        UnknownName: no such score.
        UnsupportedNetwork: a network that the score cannot read, or something that is none.
        ConfigError: a batch or labels missing where the score needs them.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
        >>> evaluate(net, names="params").value
        17.0
    """
    if isinstance(target, Sequence):
        each = [evaluate(one, x, names, labels=labels, seeds=seeds) for one in target]
        return cast("list[Score] | list[dict[str, Score]]", each)
    if not isinstance(target, nn.Module | Architecture):
        raise UnsupportedNetwork(
            f"cannot score a {type(target).__name__}", "Pass an nn.Module or an Architecture."
        )
    if seeds < 1:
        raise ConfigError(f"seeds = {seeds}", "Score with at least one seed.")
    cards = resolve(names)
    for card in cards:
        _check_batch(card, x, labels)
    if isinstance(names, str) and names != "all":
        return _score(cards[0], target, x, labels, seeds)
    return {card.name: _score(card, target, x, labels, seeds) for card in cards}


def _check_batch(card: Card, x: Tensor | None, labels: Tensor | None) -> None:
    if card.needs != "network" and x is None:
        raise ConfigError(f"{card.name} needs a batch of inputs", "Pass x, a tensor (n, ...).")
    if card.needs == "labels" and labels is None:
        raise ConfigError(f"{card.name} needs labels", "Pass labels, a tensor (n,) of classes.")


def _score(
    card: Card, target: Target, x: Tensor | None, labels: Tensor | None, seeds: int
) -> Score:
    start = time.perf_counter()
    values: list[float] = []
    outcome, message = Outcome.OK, ""
    try:
        for seed in range(seeds if isinstance(target, Architecture) else 1):
            net = target if isinstance(target, nn.Module) else _built(target, seed, x)
            values.append(card(net, x, labels))
        # One value that is not finite makes the mean so too.
        mean = sum(values) / len(values)
        if not math.isfinite(mean):
            outcome, message = Outcome.NONFINITE, f"{card.name} gave {mean}"
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        mean, outcome, message = math.nan, Outcome.OOM, str(error).partition("\n")[0]
    seconds = time.perf_counter() - start
    return Score(card.name, mean, card.higher_is_better, outcome, tuple(values), message, seconds)


def _built(target: Architecture, seed: int, x: Tensor | None) -> nn.Module:
    """The network on the batch's device, of the batch's precision."""
    if x is None:
        return build(target, seed)
    return build(target, seed, x.device, x.dtype if x.is_floating_point() else torch.float32)
