"""Who is compared: strategies by name, with knobs as text, or as objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from nascout.errors import ConfigError
from nascout.records import COST_NAMES, Objective
from nascout.search import STRATEGIES
from nascout.search.hyperband import Halving, SuccessiveHalving
from nascout.search.sequential import Sequential
from nascout.search.strategy import Strategy

__all__ = ["Contender", "Strategies", "read_contenders"]

#: Names or texts, objects, or either by label.
Strategies = Iterable[str | Strategy] | Mapping[str, str | Strategy]
READERS: Mapping[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "bool": {"true": True, "false": False}.__getitem__,
    "Objective": Objective.parse,
}
KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}
#: Knobs by which a strategy that trains also looks at scores.
SCREENING = ("warm_up", "screen")


@dataclass(frozen=True)
class Contender:
    """A strategy under the name that the tables give it.

    Attributes:
        label: of its rows.
        strategy: as it is run, except for the budget of one that trains.
        budget: its own, in architectures; ``None`` where the comparison's takes its place.
    """

    label: str
    strategy: Strategy
    budget: int | None = None

    @property
    def trains(self) -> bool:
        """Whether it looks at accuracies, and is therefore counted in trainings."""
        return not isinstance(self.strategy, Sequential) or self.strategy.epochs > 0

    @property
    def needs(self) -> tuple[str, ...]:
        """The scores and costs that it looks at."""
        asked = [objective.metric for objective in self.strategy.objectives]
        trained = isinstance(self.strategy, Halving) or (
            isinstance(self.strategy, Sequential)
            and self.strategy.epochs > 0
            and not any(getattr(self.strategy, knob, 0) for knob in SCREENING)
        )
        if trained:  # scores are not looked at once there are accuracies
            asked = [name for name in asked if name in COST_NAMES]
        return tuple(dict.fromkeys(asked))

    def limited(self, evaluations: float, most: int) -> Strategy:
        """The strategy with its budget for a run.

        Args:
            evaluations: of the comparison; infinite if it is given in seconds.
            most: architectures there are; a budget that never ends a run.
        """
        if self.budget is not None:
            return self.strategy
        counted = not self.trains and evaluations < most
        own: Any = self.strategy
        return cast(Strategy, replace(own, budget=int(evaluations) if counted else most))

    def describe(self) -> str:
        """Everything that decides what it does, as text."""
        knobs = {f.name: getattr(self.strategy, f.name) for f in fields(self.strategy)}  # type: ignore[arg-type]
        knobs["objectives"] = "+".join(map(str, self.strategy.objectives))
        knobs["budget"] = self.budget
        # What is retrained, and for how long, is after the search.
        said = ",".join(
            f"{k}={v}"
            for k, v in knobs.items()
            if v is not None and k not in ("retrain", "final_epochs")
        )
        return f"{self.strategy.name}:{said}"


def read_contenders(
    given: Strategies, *, fitness_epochs: int, unit: str = "evaluations"
) -> tuple[Contender, ...]:
    """The strategies of a comparison.

    A text is ``[LABEL=]NAME[:KNOB=VALUE,...]``; several objectives are joined by ``+``. A strategy
    by text that does not say ``epochs`` is trained for ``fitness_epochs``; an object is taken as it
    is. Budgets are the comparison's, except that

    - a budget given by text is kept;
    - a strategy that only scores keeps that of its object; by text without one, it scores as many
      architectures as others train;
    - a strategy whose budget is a part of its method (funnel, successive halving) keeps it.

    Raises:
        UnknownName: no such strategy.
        ConfigError: a knob that it does not have, a value of another type, a label given twice, or
            a strategy without a budget where there is none to take.

    >>> [one] = read_contenders(["REA=regularised_evolution:tournament=5"], fitness_epochs=12)
    >>> one.label, one.strategy.epochs, one.strategy.tournament
    ('REA', 12, 5)
    """
    if isinstance(given, str | Strategy):
        given = [given]
    pairs = given.items() if isinstance(given, Mapping) else ((None, one) for one in given)
    found: dict[str, Contender] = {}
    for label, one in pairs:
        if isinstance(one, Strategy):
            contender = Contender(label or one.name, one, _own_budget(one))
        else:
            contender = _read(one, label, fitness_epochs, unit)
        if contender.label in found:
            raise ConfigError(
                f"two strategies are called {contender.label!r}",
                "Give each a label: LABEL=NAME:KNOB=VALUE, or a dict from label to strategy.",
            )
        found[contender.label] = contender
    return tuple(found.values())


def _own_budget(strategy: Strategy) -> int | None:
    """None for a strategy that trains, and whose budget says when to stop and nothing else."""
    one_by_one = isinstance(strategy, Sequential) and strategy.epochs > 0
    by_bracket = isinstance(strategy, Halving) and not isinstance(strategy, SuccessiveHalving)
    return None if one_by_one or by_bracket else strategy.budget


def _read(text: str, label: str | None, fitness_epochs: int, unit: str) -> Contender:
    match = re.fullmatch(r"(?:([^:]+)=)?([^:=]+)(?::(.*))?", text.strip(), flags=re.DOTALL)
    if match is None:
        raise ConfigError(f"malformed strategy {text!r}", "Write [LABEL=]NAME[:KNOB=VALUE,...].")
    kind = STRATEGIES[match[2].strip()]
    knobs = _knobs(kind, match[3] or "")
    if issubclass(kind, Sequential):
        knobs = {"epochs": fitness_epochs, **knobs}
    strategy = kind(**knobs)
    name = label or (match[1] or match[2]).strip()
    budget = strategy.budget if "budget" in knobs else _own_budget(strategy)
    if isinstance(strategy, Sequential) and not strategy.epochs and "budget" not in knobs:
        if unit == "seconds":
            raise ConfigError(
                f"{name} trains nothing, so simulated seconds do not end it",
                "Give it a budget of its own, such as budget=1000.",
            )
        budget = None
    return Contender(name, strategy, budget)


def _knobs(kind: type[Strategy], text: str) -> dict[str, Any]:
    """``"population=10,tournament=3"`` as the types that the strategy's knobs have."""
    kinds = {f.name: str(f.type) for f in fields(kind)}  # type: ignore[arg-type]
    content: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not (name and sign and value):
            raise ConfigError(f"malformed knob {part!r} of {kind.name}", "Write KNOB=VALUE.")
        if name not in kinds:
            raise ConfigError(f"{kind.name} has no knob {name!r}", f"It has {', '.join(kinds)}.")
        content[name] = _value(f"{kind.name}: {name}", value, kinds[name])
    return content


def _value(what: str, text: str, kind: str) -> Any:
    """``text`` as the annotation ``kind`` says; ``+`` joins the parts of a tuple."""
    several = re.fullmatch(r"tuple\[(\w+), \.\.\.\]", kind)
    if several:
        return tuple(_value(what, part, several[1]) for part in text.split("+"))
    try:
        return READERS[kind](text) if kind in READERS else text
    except (ValueError, KeyError):
        raise ConfigError(f"{what} = {text!r}", f"Give {KINDS[kind]}.") from None
