"""Scoring: networks, architectures or lists of them, by one score or several."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

import torch
from torch import Tensor, nn

from nascout.errors import ConfigError, UnsupportedNetwork
from nascout.network import build
from nascout.network.memory import is_out_of_memory
from nascout.records import Outcome, Score
from nascout.score.at_once import mean_score, scores_at_once
from nascout.score.card import DEFAULT, SCORES, Card
from nascout.score.composite import COMPOSITES, Composite
from nascout.score.inputs import Inputs, tensors
from nascout.space import Architecture

__all__ = ["Target", "evaluate", "initialised", "resolve"]

# A module with its weights, an architecture, or a function from a seed to a module.
Target = nn.Module | Architecture | Callable[[int], nn.Module]


def resolve(names: str | Iterable[str]) -> list[Card | Composite]:
    """What ``names`` stand for; ``"default"`` is the default score, ``"all"`` every single one.

    Raises:
        UnknownName: a name that no score has.
    """
    found: dict[str, Card | Composite] = {}
    for name in [names] if isinstance(names, str) else names:
        wanted = list(SCORES) if name == "all" else [DEFAULT if name == "default" else name]
        for one in wanted:
            found[one] = COMPOSITES[one] if one in COMPOSITES else SCORES[one]
    return list(found.values())


@overload
def evaluate(
    target: Target,
    x: Inputs | None = ...,
    names: str = ...,
    *,
    labels: Tensor | None = ...,
    seeds: int = ...,
) -> Score: ...
@overload
def evaluate(
    target: Target,
    x: Inputs | None,
    names: list[str] | tuple[str, ...],
    *,
    labels: Tensor | None = ...,
    seeds: int = ...,
) -> dict[str, Score]: ...
@overload
def evaluate(
    target: Sequence[Target],
    x: Inputs | None = ...,
    names: str = ...,
    *,
    labels: Tensor | None = ...,
    seeds: int = ...,
) -> list[Score]: ...
@overload
def evaluate(
    target: Sequence[Target],
    x: Inputs | None,
    names: list[str] | tuple[str, ...],
    *,
    labels: Tensor | None = ...,
    seeds: int = ...,
) -> list[dict[str, Score]]: ...
def evaluate(
    target: Target | Sequence[Target],
    x: Inputs | None = None,
    names: str | list[str] | tuple[str, ...] = "default",
    *,
    labels: Tensor | None = None,
    seeds: int = 1,
) -> Score | dict[str, Score] | list[Score] | list[dict[str, Score]]:
    """Score one network or many without training them.

    Args:
        target: an ``nn.Module``, an architecture, a function from a seed to an ``nn.Module``
            (it is called with torch's generator seeded, too), or a list of those.
        x: (n, ...) a batch of inputs, on the networks' device; not needed by counts of
            architectures.
        names: a score, or several; see ``nascout.scores()``.
        labels: (n,) class indices, for the scores that need them.
        seeds: how many initialisations (0, 1, ...) an architecture or function is scored with;
            the value is their mean. A module is scored once, with the weights it has.

    Returns:
        A :class:`Score`; a dict by name if ``names`` is a list; a list of those if ``target`` is.
        A value that is not finite, a network that the score cannot read, or a lack of memory is
        an outcome of the score, with its reason in ``message``, not an error. ``seconds`` leaves
        out the building of networks, unless several architectures are scored together.

    Raises:
        UnknownName: no such score.
        UnsupportedNetwork: something that is no network, or an architecture that cannot be built.
        ConfigError: a batch or labels missing where the score needs them.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
        >>> evaluate(net, names="params").value
        17.0
        >>> len(evaluate(lambda seed: nn.Linear(2, seed + 1), names="params", seeds=3).per_seed)
        3
    """
    targets = list(target) if isinstance(target, Sequence) else [target]
    _check_targets(targets, seeds)
    wanted = resolve(names)
    cards = {card.name: card for one in wanted for card in _single(one)}
    for card in cards.values():
        _check_batch(card, x, labels)
    _check_population(wanted, targets)
    columns = {name: _scores(card, targets, x, labels, seeds) for name, card in cards.items()}
    scored = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for composite in (one for one in wanted if isinstance(one, Composite)):
        _join(composite, scored)
    asked = [{one.name: scores[one.name] for one in wanted} for scores in scored]
    if isinstance(names, str) and names != "all":
        flat = [scores[wanted[0].name] for scores in asked]
        return flat if isinstance(target, Sequence) else flat[0]
    return asked if isinstance(target, Sequence) else asked[0]


def _check_targets(targets: list[Target], seeds: int) -> None:
    for one in targets:
        if not isinstance(one, nn.Module | Architecture) and (
            isinstance(one, type) or not callable(one)
        ):
            raise UnsupportedNetwork(
                f"cannot score a {type(one).__name__}",
                "Pass an nn.Module, an Architecture, or a function from a seed to an nn.Module.",
            )
    if seeds < 1:
        raise ConfigError(f"seeds = {seeds}", "Score with at least one seed.")


def _single(one: Card | Composite) -> tuple[Card, ...]:
    return one.cards if isinstance(one, Composite) else (one,)


def _check_population(wanted: Iterable[Card | Composite], targets: list[Target]) -> None:
    for one in wanted:
        if isinstance(one, Composite) and len(targets) < 2:
            raise ConfigError(
                f"{one.name} ranks networks against each other, and there is one",
                f"Score several at once, or one by {', '.join(c.name for c in one.cards)}.",
            )


def _join(composite: Composite, scored: list[dict[str, Score]]) -> None:
    """Add the composite's value to every member's scores."""
    names = [card.name for card in composite.cards]
    joined = composite.join({name: [scores[name].value for scores in scored] for name in names})
    for scores, value in zip(scored, joined, strict=True):
        seconds = sum(scores[name].seconds for name in names)
        scores[composite.name] = Score(
            composite.name, float(value), composite.higher_is_better, seconds=seconds
        )


def _check_batch(card: Card, x: Inputs | None, labels: Tensor | None) -> None:
    if card.needs != "network" and x is None:
        raise ConfigError(f"{card.name} needs a batch of inputs", "Pass x, a tensor (n, ...).")
    if card.needs == "labels" and labels is None:
        raise ConfigError(f"{card.name} needs labels", "Pass labels, a tensor (n,) of classes.")


def _scores(
    card: Card, targets: Sequence[Target], x: Inputs | None, labels: Tensor | None, seeds: int
) -> list[Score]:
    """Every target's score; architectures together, if the score knows how."""
    architectures = [one for one in targets if isinstance(one, Architecture)]
    together: Iterator[Score | None] = iter(())
    if len(architectures) > 1:
        together = scores_at_once(card, architectures, x, labels, seeds=range(seeds))
    ready = (next(together, None) if isinstance(one, Architecture) else None for one in targets)
    return [
        found or _score(card, one, x, labels, seeds)
        for found, one in zip(ready, targets, strict=True)
    ]


def _score(
    card: Card, target: Target, x: Inputs | None, labels: Tensor | None, seeds: int
) -> Score:
    values: list[float] = []
    seconds = 0.0
    try:
        for seed in range(1 if isinstance(target, nn.Module) else seeds):
            net = initialised(target, seed, x)
            start = time.perf_counter()
            values.append(card(net, x, labels))
            seconds += time.perf_counter() - start
        return mean_score(card, values, seconds)
    except UnsupportedNetwork as error:
        outcome, message = Outcome.UNSUPPORTED, str(error)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        outcome, message = Outcome.OOM, str(error).partition("\n")[0]
    return Score(
        card.name, math.nan, card.higher_is_better, outcome, tuple(values), message, seconds
    )


def initialised(target: Target, seed: int, x: Inputs | None = None) -> nn.Module:
    """The network that is scored; a module is itself.

    An architecture is built on the device of ``x`` and in its precision.
    """
    if isinstance(target, nn.Module):
        return target
    if not isinstance(target, Architecture):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return target(seed)
    if x is None:
        return build(target, seed)
    first = tensors(x)[0]
    dtype = first.dtype if first.is_floating_point() else torch.float32
    return build(target, seed, first.device, dtype)
