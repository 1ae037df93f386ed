"""What a growing run is: everything that decides its result, and how much of it to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from nascout.errors import ConfigError
from nascout.growth.method import METHODS
from nascout.growth.operations import DEFAULTS, OPERATIONS
from nascout.records import COST_NAMES, Constraint
from nascout.train import Augmentation, Recipe, Sgd, recipes

__all__ = ["GROWTH", "Budget", "Epochs", "GrowthPlan", "operations_by_kind", "recipe_for"]

GROWTH: Final = Recipe(
    name="growth",
    source="Petridish, arXiv:1905.13360: its rate, momentum and decay. Without drop-path, with "
    "the gradient clipped at 5, for few epochs",
    epochs=8,
    batch_size=32,
    lr=0.025,
    optimizer=Sgd(nesterov=False, weight_decay=1e-4),
    augmentation=Augmentation(),
    gradient_clip=5.0,
)
UNITS: Final = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}


@dataclass(frozen=True)
class Budget:
    """How much to do: so many children, or no new step after so many seconds.

    >>> Budget.parse("2h"), Budget.parse("12 children"), Budget.parse(12)
    (Budget(amount=7200.0, unit='seconds'), Budget(amount=12, unit='children'), \
Budget(amount=12, unit='children'))
    """

    amount: float
    unit: Literal["children", "seconds"]

    @classmethod
    def parse(cls, given: int | str | Budget) -> Budget:
        """Read ``"2h"``, ``"30m"``, ``"90s"``, ``"12 children"``, or a number of children.

        Raises:
            ConfigError: none of these, or nothing to do.
        """
        if isinstance(given, Budget):
            return given
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(h|min|m|s|child(?:ren)?)?\s*", str(given))
        unit = match[2] if match else ""
        if match and unit in UNITS and float(match[1]) > 0:
            return cls(float(match[1]) * UNITS[unit], "seconds")
        if match and unit not in UNITS and match[1].isdecimal() and int(match[1]) > 0:
            return cls(int(match[1]), "children")
        raise ConfigError(f"budget {given!r}", 'Write it "2h", "30m", "90s" or "12 children".')


@dataclass(frozen=True)
class Epochs:
    """How long each kind of step trains.

    Attributes:
        parent: the first model, before it is measured; 0 leaves it as it is.
        candidates: a parent with its candidates.
        child: what was selected.

    Raises:
        ConfigError: too few.
    """

    parent: int = 0
    candidates: int = 4
    child: int = 8

    def __post_init__(self) -> None:
        if self.parent < 0 or self.candidates < 1 or self.child < 1:
            raise ConfigError(
                f"epochs of parent={self.parent}, candidates={self.candidates}, child={self.child}",
                "Give at least one to candidates and child, and 0 or more to the parent.",
            )


@dataclass(frozen=True, kw_only=True)
class GrowthPlan:
    """The options of a growing run.

    Attributes:
        objective: the cost that accuracy is weighed against when a parent is chosen.
        constraints: what every child must keep.
        budget: when to stop.
        operations: names to try instead of the defaults.
        places: patterns (``"layer2.*"``) of names of places where something may be added.
        at_once: how many of them one step tries, drawn at random.
        inputs: how many tensors each of them may read, drawn at random.
        cells: add alike to all cells: True by the names of our own architectures, or a pattern
            of the beginning of names up to the cell; False for every place on its own.
        method: name in ``nascout.growth.METHODS``.
        recipe: how every step trains.
        epochs: how long.
        seed: of everything random.

    Raises:
        ConfigError: an option that means nothing.
        UnknownName: a method.
    """

    objective: str = "macs"
    constraints: tuple[Constraint, ...] = ()
    budget: Budget = Budget(12, "children")
    operations: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    at_once: int = 3
    inputs: int = 4
    cells: bool | str = False
    method: str = "petridish"
    recipe: Recipe = GROWTH
    epochs: Epochs = field(default_factory=Epochs)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.objective not in COST_NAMES:
            raise ConfigError(
                f"no cost is called {self.objective!r}", f"Use one of {', '.join(COST_NAMES)}."
            )
        if self.at_once < 1 or self.inputs < 1:
            raise ConfigError(
                f"at_once={self.at_once}, inputs={self.inputs}", "Give at least one to each."
            )
        METHODS[self.method]
        operations_by_kind(self.operations)

    def identity(self) -> dict[str, Any]:
        """What decides the result, as JSON-able data; a resumed run must have the same."""
        return {
            "objective": self.objective,
            "constraints": [str(constraint) for constraint in self.constraints],
            "budget": self.budget.amount,
            "budget_unit": self.budget.unit,
            "operations": list(self.operations),
            "places": list(self.places),
            "at_once": self.at_once,
            "inputs": self.inputs,
            "cells": self.cells,
            "method": self.method,
            "recipe": self.recipe.as_dict(),
            "epochs": asdict(self.epochs),
            "seed": self.seed,
        }


def operations_by_kind(names: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """For every kind of tensor, which operations to try: those of ``names``, if any suits it.

    Raises:
        UnknownName: no such operation.

    >>> operations_by_kind(["sep3", "identity"])["map"], operations_by_kind([])["vector"][:2]
    (('sep3', 'identity'), ('linear_relu', 'linear_tanh'))
    """
    found = {
        kind: tuple(name for name in names if kind in OPERATIONS[name].makes) for kind in DEFAULTS
    }
    return {kind: chosen or DEFAULTS[kind] for kind, chosen in found.items()}


def recipe_for(recipe: str | Recipe) -> Recipe:
    """A recipe by name, or one of your own, without what only our architectures allow.

    Raises:
        UnknownName: no such recipe.
    """
    if isinstance(recipe, str):
        recipe = GROWTH if recipe == GROWTH.name else recipes[recipe]
    return replace(recipe, drop_path=None)
