"""From options to the parts of a search, and what makes two searches the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from nascout.data import Data
from nascout.errors import ConfigError
from nascout.oneshot import METHODS, Method
from nascout.records import COST_NAMES, Constraint, Objective
from nascout.run.config import SearchConfig, make_record
from nascout.score import SCORES, Card
from nascout.score.composite import Composite
from nascout.score.evaluate import resolve
from nascout.search import STRATEGIES, Strategy
from nascout.search.listed import Listed
from nascout.space import SPACES, Space
from nascout.space.recurrent import RecurrentSpace
from nascout.train import Recipe, recipes

__all__ = ["Plan", "fitted", "make_plan"]

BATCH = 128
# Knobs of what follows the sharing of weights; the others are the method's.
AFTER_SHARING = ("retrain", "final_epochs")


@dataclass(frozen=True)
class Plan:
    """The parts of one search.

    Attributes:
        space: what may be built.
        strategy: what proposes, with its objectives and budget.
        cards: the training-free scores to compute.
        constraints: what every candidate must satisfy.
        recipes: how the stages ``"train"`` and ``"retrain"`` train.
        seed: of everything random.
        batch: inputs per score.
        method: of weight sharing, which then makes the strategy's list; None for none.
    """

    space: Space
    strategy: Strategy
    cards: tuple[Card, ...]
    constraints: tuple[Constraint, ...]
    recipes: dict[str, Recipe]
    seed: int
    batch: int
    method: Method | None = None

    def identity(self, data: Data) -> dict[str, Any]:
        """What decides the result, as JSON-able data; a resumed run must have the same."""
        knobs = asdict(self.strategy)  # type: ignore[call-overload]
        for made in ("objectives", "budget", "architectures"):
            knobs.pop(made, None)
        if self.method is not None:
            knobs |= asdict(self.method)
        content: dict[str, Any] = {
            "data": {"name": data.name, "digest": data.digest},
            "space": {"name": self.space.name, **self.space.parameters()},
            "strategy": {"name": (self.method or self.strategy).name, **knobs},
            "scores": [card.name for card in self.cards],
            "objectives": [str(objective) for objective in self.strategy.objectives],
            "constraints": [str(constraint) for constraint in self.constraints],
            "budget": self.strategy.budget,
            "seed": self.seed,
            "batch": self.batch,
            "recipes": {stage: recipe.as_dict() for stage, recipe in self.recipes.items()},
        }
        plain: dict[str, Any] = json.loads(json.dumps(content))
        return plain


def make_plan(config: SearchConfig, data: Data, space: Space | None = None) -> Plan:
    """The parts that ``config`` names, for ``data``.

    Args:
        config: the options.
        data: its classes and sizes are the space's.
        space: in place of the one that ``config`` names.

    Raises:
        UnknownName: a space, strategy or score that does not exist.
        ConfigError: an option, objective or constraint that cannot be used.
    """
    cards, objectives = _goals(config)
    return Plan(
        fitted(space, data, config.space_options) if space else _make_space(config, data),
        _make_strategy(config, objectives),
        cards,
        tuple(Constraint.parse(text) for text in config.constraints),
        {"train": recipes["shortlist"], "retrain": recipes["final"]},
        config.seed,
        min(BATCH, len(data.train)),
        _make_method(config),
    )


def _make_space(config: SearchConfig, data: Data) -> Space:
    """On a small skeleton: one cell per stage, 8 channels under 16 pixels, else 16."""
    kind = SPACES[config.space]
    if issubclass(kind, RecurrentSpace):
        raise ConfigError(
            f"{config.space} is a space of recurrent cells, and a search trains on images",
            "Search it on a text by nascout.oneshot.share_language.",
        )
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    small = {"channels": 8 if min(data.input_shape[1:]) < 16 else 16, "cells": 1}
    options: dict[str, Any] = {name: value for name, value in small.items() if name in known}
    options |= {"classes": len(data.classes), "input_shape": data.input_shape}
    return make_record(f"space {config.space}", kind, options | dict(config.space_options))


def fitted(space: Space, data: Data, options: Mapping[str, Any]) -> Space:
    """``space``, if it is one for ``data``; it is made already, so it takes no ``options``.

    Raises:
        ConfigError: options, or other classes or sizes than the data's.
    """
    if options:
        raise ConfigError(
            f"space options ({', '.join(options)}) beside a space that is already made",
            "Set them where the space is made.",
        )
    wanted = len(data.classes), data.input_shape
    if (space.classes, space.input_shape) != wanted:
        raise ConfigError(
            f"the space is for {space.classes} classes of {space.input_shape}",
            f"The data wants classes={wanted[0]}, input_shape={wanted[1]}.",
        )
    return space


def _make_method(config: SearchConfig) -> Method | None:
    if config.strategy in STRATEGIES or config.strategy not in METHODS:
        return None
    if config.budget is not None:
        raise ConfigError(
            f"{config.strategy} has no budget of architectures", "Give it epochs instead."
        )
    options = {k: v for k, v in config.strategy_options.items() if k not in AFTER_SHARING}
    return make_record(f"method {config.strategy}", METHODS[config.strategy], options)


def _make_strategy(config: SearchConfig, objectives: tuple[Objective, ...]) -> Strategy:
    if config.strategy not in STRATEGIES and config.strategy in METHODS:
        options = {k: v for k, v in config.strategy_options.items() if k in AFTER_SHARING}
        return Listed(architectures=(), objectives=objectives, **options)
    budget = {} if config.budget is None else {"budget": config.budget}
    options = {"objectives": objectives, **budget, **config.strategy_options}
    return make_record(f"strategy {config.strategy}", STRATEGIES[config.strategy], options)


def _goals(config: SearchConfig) -> tuple[tuple[Card, ...], tuple[Objective, ...]]:
    """The scores to compute and the objectives; by default the score, latency and params."""
    cards: dict[str, Card] = {}
    for card in resolve(config.score):
        if isinstance(card, Composite):
            raise ConfigError(
                f"{card.name} ranks finished scores, and a search scores one network at a time",
                f"Search with one of its parts: {', '.join(c.name for c in card.cards)}.",
            )
        cards[card.name] = card
    default = [Objective(card.name, card.higher_is_better) for card in cards.values()]
    default += [Objective("latency_ms", False), Objective("params", False)]
    objectives = tuple(Objective.parse(text) for text in config.objectives) or tuple(default)
    for objective in objectives:
        if objective.metric in COST_NAMES:
            continue
        if objective.metric not in SCORES:
            raise ConfigError(
                f"no objective is called {objective.metric!r}",
                f"Use a score ({', '.join(SCORES)}) or a cost ({', '.join(COST_NAMES)}).",
            )
        cards[objective.metric] = SCORES[objective.metric]
    return tuple(cards.values()), tuple(dict.fromkeys(objectives))
